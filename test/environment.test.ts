import { expect, test } from "bun:test";
import { childEnv } from "../src/index.ts";
import { runModule } from "./support/command.ts";

const MANAGER = {
  NOTIFY_SOCKET: "/x",
  WATCHDOG_USEC: "1",
  WATCHDOG_PID: "1",
  LISTEN_PID: "1",
  LISTEN_PIDFDID: "1",
  LISTEN_FDS: "1",
  LISTEN_FDNAMES: "a",
};

test("childEnv() leaves out what the manager says to this process, and nothing else", () => {
  expect(childEnv({ ...MANAGER, PATH: "/bin", NOTIFY: "1", LISTEN: "2" })).toEqual({
    PATH: "/bin",
    NOTIFY: "1",
    LISTEN: "2",
  });
  expect(childEnv()).toEqual(process.env);
});

test("a child of Bun.spawn() has none of it with childEnv(), and all of it when process.env was changed", async () => {
  const source = `
    import { childEnv } from "../src/index.ts";
    for (const name of ${JSON.stringify(Object.keys(MANAGER))}) delete process.env[name];
    for (const options of [{}, { env: childEnv() }]) console.log(await Bun.spawn(["env"], options).stdout.text().then((text) => /^(NOTIFY|WATCHDOG|LISTEN)_/m.test(text)));`;
  expect((await runModule(source, { env: MANAGER })).stdout).toBe("true\nfalse\n");
});
