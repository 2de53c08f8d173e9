import { afterEach, describe, expect, test } from "bun:test";
import { barrier } from "../src/barrier.ts";
import { openReceiver } from "../src/receiver/receiver.ts";
import { failureOf } from "../src/server/failures.ts";
import { endPrograms, serve, start, texts } from "./support/server.ts";

afterEach(endPrograms);

describe("failureOf()", () => {
  test.each([
    ["a code of the system", { code: "ENOENT" }, { errno: 2 }],
    ["a code whose errno is 0, as of node:http in Bun", { code: "EADDRINUSE", errno: 0 }, { errno: 98 }],
    ["an errno of Node's", { errno: -13 }, { errno: 13 }],
    ["an errno as in C", { errno: 13 }, { errno: 13 }],
    ["a number that is no errno, as of DNS", { code: "ENOTFOUND", errno: -3008 }, { exitStatus: 1 }],
    ["an errno that is none", { errno: Number.NaN }, { exitStatus: 1 }],
    ["a code that is a name of every object", { code: "toString" }, { exitStatus: 1 }],
    ["no object", "boom", { exitStatus: 1 }],
    ["nothing", undefined, { exitStatus: 1 }],
  ])("makes of %s what the manager takes", (_, error, failure) => {
    expect(failureOf(error)).toEqual(failure);
  });
});

describe("an error that nobody catches", () => {
  test.each([
    ["thrown", "throw error()"],
    ["rejected", "Promise.reject(error())"],
    ["rejected in an async function", "(async () => { throw error(); })()"],
  ])("is told, printed with its own stack, and ends the process at once: %s", async (_, action) => {
    using receiver = openReceiver();
    const child = start(
      `${serve()}
       function error() { return Object.assign(new Error("boom\\nand more"), { code: "ENOSPC" }); }
       managed.ready.then(() => setTimeout(() => { setTimeout(() => console.log("late"), 50); ${action}; }, 20));`,
      receiver,
    );
    expect(await child.exited).toBe(1);
    await receiver.waitFor({ errno: 28 });
    await barrier({ socket: receiver.address });
    expect(texts(receiver).slice(1)).toEqual(["STATUS=Failed: boom\nERRNO=28"]);
    const stderr = await child.stderr.text();
    expect(stderr).toMatch(/error: boom[\s\S]*\n +at .*\[stdin\]:\d+/);
    expect(stderr.match(/error: boom/g)).toHaveLength(1);
    expect(await child.stdout.text()).toBe("");
  });

  test("is told when it is no Error", async () => {
    using receiver = openReceiver();
    const child = start(`${serve()} managed.ready.then(() => Promise.reject("boom"));`, receiver);
    expect(await child.exited).toBe(1);
    await receiver.waitFor({ exitStatus: 1 });
    await barrier({ socket: receiver.address });
    expect(texts(receiver).slice(1)).toEqual(["STATUS=Failed: boom\nEXIT_STATUS=1"]);
    expect(await child.stderr.text()).toContain("boom");
  });

  test("that is node:http's EADDRINUSE has ERRNO=98", async () => {
    using receiver = openReceiver();
    const child = start(
      `import { createServer } from "node:http";
       const taken = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("x") });
       const server = createServer();
       manageServer(server);
       server.listen(taken.port, "127.0.0.1");`,
      receiver,
    );
    expect(await child.exited).toBe(1);
    expect((await receiver.waitFor({ errno: 98 })).text).toMatch(/^STATUS=Failed: .*\nERRNO=98$/);
  });

  test.each([
    ["a rejection", "unhandledRejection", "Promise.reject(new Error('boom'))"],
    ["an exception", "uncaughtException", "throw new Error('boom')"],
    ["a rejection, by the handler for exceptions", "uncaughtException", "Promise.reject(new Error('boom'))"],
  ])("is the application's own when it has a handler: %s", async (_, event, action) => {
    using receiver = openReceiver();
    const child = start(
      `process.on("${event}", (error) => { console.log("handled", error.message); });
       ${serve()}
       managed.ready.then(() => setTimeout(() => { setTimeout(() => notify({ status: "lives" }), 50); ${action}; }, 20));`,
      receiver,
    );
    await receiver.waitFor({ status: "lives" });
    await barrier({ socket: receiver.address });
    expect(texts(receiver).slice(1)).toEqual(["STATUS=lives"]);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await child.stdout.text()).toBe("handled boom\n");
    expect(await child.stderr.text()).toBe("");
  });

  test.each([
    ["throw", 1, ["STATUS=Failed: boom\nEXIT_STATUS=1"]],
    ["warn", 0, []],
    ["none", 0, []],
  ])("is treated as --unhandled-rejections=%s says", async (mode, code, told) => {
    using receiver = openReceiver();
    const child = start(
      `${serve()} managed.ready.then(() => { setTimeout(() => process.kill(process.pid, "SIGTERM"), 100); Promise.reject(new Error("boom")); });`,
      receiver,
      { flags: [`--unhandled-rejections=${mode}`] },
    );
    expect(await child.exited).toBe(code);
    await receiver.waitFor(({ state }) => state.stopping === true || state.exitStatus === 1);
    await barrier({ socket: receiver.address });
    expect(
      texts(receiver)
        .slice(1)
        .filter((text) => !text.startsWith("STOPPING")),
    ).toEqual(told);
  });
});
