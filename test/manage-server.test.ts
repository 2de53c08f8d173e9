import { afterEach, describe, expect, test } from "bun:test";
import { openReceiver, type Receiver } from "../src/receiver/receiver.ts";
import { BUN, ROOT } from "./support/run.ts";

const children: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.splice(0).map(({ exited }) => exited));
});

/** Starts a program that manages a server. */
function start(source: string, receiver?: Receiver) {
  const child = Bun.spawn([BUN, "run", "-"], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", ...receiver?.env, WATCHDOG_USEC: "60000000" },
    stdin: Buffer.from(`import { manageServer } from "./src/index.ts";\n${source}`),
    stdout: "pipe",
    stderr: "pipe",
  });
  children.push(child);
  return child;
}

const serve = (options = "{}", handler = `new Response("x")`) => `
  let requests = 0;
  const server = Bun.serve({ port: 0, fetch: async (request) => { requests++; return ${handler}; } });
  manageServer(server, ${options});`;

describe("manageServer()", () => {
  test("says READY with the URL and the status, pings, and stops on SIGTERM with exit 0", async () => {
    using receiver = openReceiver();
    const child = start(
      serve(`{ status: () => requests + " requests", stop: () => console.log("stopped") }`),
      receiver,
    );
    expect((await receiver.next()).text).toBe("WATCHDOG=1");
    const { state } = await receiver.waitFor({ ready: true });
    expect(state.status).toMatch(/^Listening on http:\/\/localhost:\d+\/: 0 requests$/);
    child.kill("SIGTERM");
    expect((await receiver.next()).text).toBe(
      "STOPPING=1\nSTATUS=Stopping: 0 requests in flight\nEXTEND_TIMEOUT_USEC=10000000",
    );
    expect(await child.exited).toBe(0);
    expect(await child.stdout.text()).toBe("stopped\n");
  });

  test("reloads on SIGHUP, and keeps on when the reload fails", async () => {
    using receiver = openReceiver();
    const child = start(
      serve(
        `{ reload: async () => { await Bun.sleep(5); if (requests++ > 0) throw new Error("bad line 3\\nand more"); } }`,
      ),
      receiver,
    );
    await receiver.waitFor({ ready: true });
    child.kill("SIGHUP");
    const reloading = await receiver.next();
    expect(reloading.state).toMatchObject({ reloading: true });
    expect(Number(reloading.fields.MONOTONIC_USEC)).toBeLessThanOrEqual(reloading.receivedUsec);
    expect((await receiver.next()).text).toMatch(/^READY=1\nSTATUS=Listening on /);
    child.kill("SIGHUP");
    await receiver.waitFor({ reloading: true });
    expect((await receiver.next()).text).toBe("READY=1\nSTATUS=Reload failed, the old configuration stays: bad line 3");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("answers the requests in flight before it ends, and asks for time meanwhile", async () => {
    using receiver = openReceiver();
    const child = start(serve("{}", `(await Bun.sleep(1300), new Response("late"))`), receiver);
    const { state } = await receiver.waitFor({ ready: true });
    const url = state.status?.slice("Listening on ".length) ?? "";
    const answer = fetch(url);
    await Bun.sleep(100);
    child.kill("SIGTERM");
    expect((await receiver.waitFor({ stopping: true })).state.status).toBe("Stopping: 1 request in flight");
    const { state: extended } = await receiver.waitFor(({ fields }) => "EXTEND_TIMEOUT_USEC" in fields);
    expect(extended).toEqual({ status: "Stopping: 1 request in flight", extendTimeoutMs: 10_000 });
    expect(await (await answer).text()).toBe("late");
    expect(await child.exited).toBe(0);
  });

  test("asks for no more time while stop() hangs, and exits with 1 when it fails", async () => {
    using receiver = openReceiver();
    const hanging = start(serve("{ stop: () => new Promise((resolve) => setTimeout(resolve, 60_000)) }"), receiver);
    await receiver.waitFor({ ready: true });
    hanging.kill("SIGTERM");
    await receiver.waitFor({ stopping: true });
    await expect(receiver.next({ timeoutMs: 1300 })).rejects.toThrow("no message within 1300 ms");
    using other = openReceiver();
    const failing = start(serve(`{ stop: () => { throw new Error("no disk") }, onError() {} }`), other);
    await other.waitFor({ ready: true });
    failing.kill("SIGTERM");
    expect((await other.waitFor({ exitStatus: 1 })).state.status).toBe("Failed to stop: no disk");
    expect(await failing.exited).toBe(1);
  });

  test("ends at once on a second signal", async () => {
    using receiver = openReceiver();
    const child = start(serve("{}", "new Promise(() => {})"), receiver);
    const { state } = await receiver.waitFor({ ready: true });
    fetch(state.status?.slice("Listening on ".length) ?? "").catch(() => {});
    await Bun.sleep(100);
    child.kill("SIGTERM");
    await receiver.waitFor({ stopping: true });
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
  });

  test("refreshes the status when it has changed, and only then", async () => {
    using receiver = openReceiver();
    const source = serve(`{ status: () => requests + " requests", statusIntervalMs: 20 }`);
    start(`${source} setTimeout(() => requests = 7, 150);`, receiver);
    await receiver.waitFor({ ready: true });
    await receiver.waitFor({ status: "0 requests" });
    await receiver.waitFor({ status: "7 requests" });
    expect(receiver.history.filter(({ state }) => state.status === "0 requests")).toHaveLength(1);
  });

  test.each([
    [
      "throws",
      `setTimeout(() => { throw Object.assign(new Error("boom"), { errno: -2 }); }, 50);`,
      "STATUS=Failed: boom\nERRNO=2",
    ],
    ["rejects", `setTimeout(() => Promise.reject(new Error("boom")), 50);`, "STATUS=Failed: boom\nEXIT_STATUS=1"],
  ])("tells of an error that nobody catches, and ends as without it: one that %s", async (_, source, text) => {
    using receiver = openReceiver();
    const child = start(serve() + source, receiver);
    await receiver.waitFor({ ready: true });
    expect((await receiver.next()).text).toBe(text);
    expect(await child.exited).toBe(1);
    expect(await child.stderr.text()).toContain("boom");
  });

  test("goes on when nobody listens, and says so once", async () => {
    const child = start(
      `process.env.NOTIFY_SOCKET = "@sd-notify-nobody";${serve(`{ status: () => String(requests++), statusIntervalMs: 10 }`)} setTimeout(() => process.exit(7), 200);`,
    );
    expect(await child.exited).toBe(7);
    const lines = (await child.stderr.text()).trimEnd().split("\n");
    expect(new Set(lines)).toEqual(new Set(["sd-notify: connect @sd-notify-nobody: Connection refused"]));
    expect(lines.length).toBeLessThanOrEqual(2);
  });

  test("is silent where there is no manager, stops on signals all the same, and leaves SIGHUP alone", async () => {
    const child = start(
      `${serve(`{ stop: () => console.log("stopped") }`)} console.log(process.listenerCount("SIGHUP"));`,
    );
    const reader = child.stdout.getReader();
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("0\n");
    child.kill("SIGINT");
    expect(await child.exited).toBe(0);
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("stopped\n");
    expect(await child.stderr.text()).toBe("");
  });

  test("works for Bun.listen() and node:http, also before it listens", async () => {
    for (const source of [
      `manageServer(Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } }));`,
      `import { createServer } from "node:http";
       const server = createServer((request, response) => response.end("x"));
       manageServer(server);
       setTimeout(() => server.listen(0, "127.0.0.1"), 50);`,
    ]) {
      using receiver = openReceiver();
      const child = start(source, receiver);
      expect((await receiver.waitFor({ ready: true })).state.status).toMatch(/^Listening on 127\.0\.0\.1:[1-9]\d*$/);
      child.kill("SIGTERM");
      await receiver.waitFor({ stopping: true });
      expect(await child.exited).toBe(0);
    }
  });

  test("is taken back by its handle", async () => {
    using receiver = openReceiver();
    const source = `
      const server = Bun.serve({ port: 0, fetch: () => new Response("x") });
      const managed = manageServer(server, { status: () => "x" });
      await managed.ready;
      managed.end();
      console.log(["SIGHUP", "SIGTERM", "SIGINT", "uncaughtExceptionMonitor", "unhandledRejection"].map((name) => process.listenerCount(name)).join());
      server.stop();`;
    const child = start(source, receiver);
    expect(await child.stdout.text()).toBe("0,0,0,0,0\n");
    expect(await child.exited).toBe(0);
  });

  test("refuses what can't be", async () => {
    const { manageServer } = await import("../src/index.ts");
    const server = { stop() {} };
    expect(() => manageServer({} as never)).toThrow(TypeError);
    expect(() => manageServer(undefined as never)).toThrow(TypeError);
    expect(() => manageServer(server, { reload: "x" } as never)).toThrow(TypeError);
    expect(() => manageServer(server, { relaod() {} } as never)).toThrow(TypeError);
    expect(() => manageServer(server, { drainTimeoutMs: -1 })).toThrow(RangeError);
    expect(() => manageServer(server, { statusIntervalMs: "5" } as never)).toThrow(TypeError);
  });
});
