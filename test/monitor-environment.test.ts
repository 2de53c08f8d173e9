import { expect, test } from "bun:test";
import { missing, ROOT, run, titled } from "./support/command.ts";

const noEnv = missing("env", "sh");

test.skipIf(Boolean(noEnv))(titled("the command has the environment byte for byte", noEnv), async () => {
  // Bun hands on text, of which a stray byte is none.
  const set = `X="$(printf 'a\\377b')"; export X; exec ${ROOT}dist/sd-notify monitor --json -- sh -c 'printf %s "$X" | od -An -tx1 >&2'`;
  const { stderr } = await run(["sh", "-c", set]);
  expect(stderr.trim()).toBe("61 ff 62");
});
