import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openReceiver } from "../src/receiver/receiver.ts";
import { ROOT } from "./support/command.ts";
import { start } from "./support/server.ts";

const page = readFileSync(join(ROOT, "docs/servers.md"), "utf8");

/** Those without imports: the frameworks' are tried by npm run test:frameworks. */
const examples = [...page.matchAll(/^```ts\n(.*?)^```$/gms)]
  .map(([, code = ""]) => code)
  .filter((code) => !code.includes("import "));

describe("docs/servers.md", () => {
  test.each(examples)("has an example that starts and stops: %s", async (code) => {
    using receiver = openReceiver();
    const source = code
      .replaceAll(/port: 3000|probes: 9090/g, (text) => text.replace(/\d+/, "0"))
      .replace("drainDelayMs: 5000", "drainDelayMs: 50");
    const child = start(source, receiver);
    await receiver.waitFor({ ready: true });
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await child.stderr.text()).toBe("");
  });

  test("names every option of manageServer() that is about a stop or a probe", () => {
    expect(examples).toHaveLength(2);
    for (const option of ["stopping", "drainDelayMs", "drainTimeoutMs", "reloadTimeoutMs", "probes"]) {
      expect(page).toContain(option);
    }
  });
});
