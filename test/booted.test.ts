import { expect, test } from "bun:test";
import { isRoot, missing, runModule, titled } from "./support/command.ts";

const source = `import { booted } from "../src/index.ts"; console.log(booted());`;
const skipped = isRoot ? missing("unshare", "mount") : "not root";

// A mount namespace of its own, in which /run/systemd is what the test makes it.
test.skipIf(Boolean(skipped)).each([
  ["true where /run/systemd/system is a directory", "mkdir -p /run/systemd/system", "true\n"],
  ["false where there is nothing", "mkdir -p /run/systemd", "false\n"],
  ["false where it is a file", "mkdir -p /run/systemd && touch /run/systemd/system", "false\n"],
  ["false where it is a link to a directory", "mkdir -p /run/systemd && ln -s / /run/systemd/system", "false\n"],
  ["false where /run/systemd is a file", "touch /run/systemd", "false\n"],
])(titled("booted() is %s", skipped), async (_, prepare, stdout) => {
  const script = `mount -t tmpfs none /run && ${prepare} && exec "$@"`;
  const prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh"];
  expect(await runModule(source, { prefix })).toMatchObject({ stdout, stderr: "", code: 0 });
});
