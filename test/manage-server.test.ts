import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { barrier } from "../src/barrier.ts";
import { openReceiver } from "../src/receiver/receiver.ts";
import { isRoot, missing, ROOT, temporaryDirectory, titled } from "./support/command.ts";
import { endPrograms, serve, start, texts, urlIn } from "./support/server.ts";

afterEach(endPrograms);

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

  test("tells of each server that can't be stopped, and answers what is in flight on the others", async () => {
    using receiver = openReceiver();
    const source = `
      const broken = ["one", "two"].map((name) => ({ async stop() { throw new Error(name + " is broken"); } }));
      const server = Bun.serve({ port: 0, async fetch() { console.log("taken"); await Bun.sleep(300); return new Response("x"); } });
      manageServer([...broken, server]);`;
    const child = start(source, receiver);
    const answer = fetch(urlIn(await receiver.waitFor({ ready: true })));
    const reader = child.stdout.getReader();
    await reader.read();
    child.kill("SIGTERM");
    expect(await (await answer).text()).toBe("x");
    expect(await child.exited).toBe(1);
    expect(await child.stderr.text()).toBe("sd-notify: one is broken; two is broken\n");
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

  test("refreshes the status when it has changed, and only then", async () => {
    using receiver = openReceiver();
    const source = serve(`{ status: () => requests + " requests", statusIntervalMs: 20 }`);
    start(`${source} setTimeout(() => requests = 7, 150);`, receiver);
    await receiver.waitFor({ ready: true });
    await receiver.waitFor({ status: "0 requests" });
    await receiver.waitFor({ status: "7 requests" });
    await barrier({ socket: receiver.address });
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

describe("manageServer(), the start", () => {
  test("tells READY once when all servers listen, and drains them together", async () => {
    using receiver = openReceiver();
    const child = start(
      `import { createServer } from "node:http";
       const slow = async () => { await Bun.sleep(400); return new Response("late"); };
       const late = createServer((request, response) => setTimeout(() => response.end("late"), 400));
       manageServer([Bun.serve({ port: 0, fetch: slow }), late]);
       setTimeout(() => late.listen(0, "127.0.0.1"), 100);`,
      receiver,
    );
    const ready = await receiver.waitFor({ ready: true });
    const [, web = "", metrics = ""] =
      /^Listening on (http:\S+), (127\.0\.0\.1:\d+)$/.exec(ready.state.status ?? "") ?? [];
    const answers = [fetch(web), fetch(`http://${metrics}/`)];
    await Bun.sleep(100);
    child.kill("SIGTERM");
    for (const answer of answers) expect(await (await answer).text()).toBe("late");
    expect(await child.exited).toBe(0);
    await barrier({ socket: receiver.address });
    expect(texts(receiver).map((text) => text.split("\n")[0])).toEqual(["READY=1", "STOPPING=1"]);
  });

  test("refuses a second call and a call in a Worker, and says what to do", async () => {
    using receiver = openReceiver();
    const child = start(
      `${serve()}
       try { manageServer(server); } catch (error) { console.log(error.name, error.message); }
       managed.end();
       manageServer(server).end();
       const source = 'import { manageServer } from "${ROOT}src/index.ts"; try { manageServer({ stop() {} }) } catch (error) { postMessage(error.name + " " + error.message) }';
       const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "application/javascript" })));
       worker.onmessage = ({ data }) => { console.log(data); process.exit(); };`,
      receiver,
    );
    expect(await child.stdout.text()).toMatch(
      /^TypeError .* all servers at once, as in manageServer\(\[web, metrics\]\).*\nTypeError .* in the main thread\n$/,
    );
  });

  test("is replaced by the call of the next evaluation under bun --hot", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const path = join(directory.path, "server.ts");
    const write = (greeting: string) =>
      Bun.write(
        path,
        `import { manageServer } from "${ROOT}src/index.ts";
         const server = Bun.serve({ port: 0, fetch: () => new Response("x") });
         manageServer(server, { probes: { port: 0, hostname: "127.0.0.1" }, status: () => "${greeting}" });
         console.log(["SIGHUP", "SIGTERM", "SIGINT", "unhandledRejection"].map((name) => process.listenerCount(name)).join());`,
      );
    await write("one");
    const child = Bun.spawn([process.execPath, "--hot", path], {
      env: { PATH: process.env.PATH ?? "", ...receiver.env, WATCHDOG_USEC: "60000000" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    try {
      await receiver.waitFor(({ state }) => state.status?.endsWith(": one") === true);
      await write("two");
      await receiver.waitFor(({ state }) => state.status?.endsWith(": two") === true);
      child.kill("SIGTERM");
      expect(await child.exited).toBe(0);
      expect((await child.stdout.text()).trimEnd().split("\n")).toEqual(["1,1,1,1", "1,1,1,1"]);
      await barrier({ socket: receiver.address });
      expect(texts(receiver).filter((text) => text.startsWith("STOPPING"))).toHaveLength(1);
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("asks for time while a function makes the servers", async () => {
    using receiver = openReceiver();
    const child = start(
      `manageServer(async () => { await Bun.sleep(1300); return [Bun.serve({ port: 0, fetch: () => new Response("x") })]; });`,
      receiver,
    );
    await receiver.waitFor({ ready: true });
    await barrier({ socket: receiver.address });
    expect(texts(receiver)).toEqual([
      "STATUS=Starting\nEXTEND_TIMEOUT_USEC=10000000",
      "STATUS=Starting, for 1 s\nEXTEND_TIMEOUT_USEC=10000000",
      expect.stringMatching(/^READY=1\nSTATUS=Listening on http/),
    ]);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("stops while a function makes the servers", async () => {
    using receiver = openReceiver();
    const child = start(
      `manageServer(() => new Promise(() => {}), { stop: () => console.log("stopped") }); setInterval(() => {}, 1e6);`,
      receiver,
    );
    await receiver.waitFor({ status: "Starting" });
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    await barrier({ socket: receiver.address });
    expect(texts(receiver)[1]).toBe("STOPPING=1\nSTATUS=Stopping\nEXTEND_TIMEOUT_USEC=10000000");
    expect(await child.stdout.text()).toBe("stopped\n");
  });

  test("tells why the servers could not be made, before the process ends by it", async () => {
    using receiver = openReceiver();
    const child = start(
      `async function warmUp() { await Bun.sleep(10); throw Object.assign(new Error("no database"), { code: "ECONNREFUSED" }); }
       manageServer(async () => { await warmUp(); return Bun.serve({}); });`,
      receiver,
    );
    expect(await child.exited).toBe(1);
    await receiver.waitFor({ errno: 111 });
    await barrier({ socket: receiver.address });
    expect(texts(receiver).slice(1)).toEqual(["STATUS=Failed to start: no database\nERRNO=111"]);
    expect(await child.stderr.text()).toMatch(/error: no database[\s\S]*at warmUp/);
  });

  test("waits with SIGHUP until it listens", async () => {
    using receiver = openReceiver();
    const child = start(
      `import { createServer } from "node:http";
       const server = createServer();
       manageServer(server, { reload: () => console.log("reloaded") });
       process.kill(process.pid, "SIGHUP");
       setTimeout(() => { notify({ extra: { X_NOW: 1 } }); server.listen(0); }, 150);`,
      receiver,
    );
    await receiver.waitFor({ extra: { X_NOW: 1 } });
    await receiver.waitFor({ ready: true });
    await receiver.waitFor({ reloading: true });
    await receiver.waitFor({ ready: true });
    await barrier({ socket: receiver.address });
    expect(texts(receiver).map((text) => text.split("\n")[0])).toEqual([
      "X_NOW=1",
      "READY=1",
      "RELOADING=1",
      "READY=1",
    ]);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });
});

describe("manageServer(), the status", () => {
  test.each([
    ["hangs", "() => new Promise(() => {})", /^Listening on \S+\/$/],
    ["throws", "() => { throw new Error('no') }", /^Listening on \S+\/$/],
    ["rejects", "async () => { throw new Error('no') }", /^Listening on \S+\/$/],
    ["has no text", "() => Object.create(null)", /^Listening on \S+\/$/],
    ["is a promise", "async () => 'x'", /^Listening on \S+: x$/],
    ["is no string", "() => 7", /^Listening on \S+: 7$/],
    ["has several lines", "() => 'one\\r\\ntwo'", /^Listening on \S+: one$/],
    ["has control characters", "() => 'a\\tb\\u001b[2J\\0'", /^Listening on \S+: a b\\x1b\[2J$/],
    ["is a lone surrogate", "() => 'a\\ud800'", /^Listening on \S+: a\ufffd$/],
    ["is too long", "() => 'ü🦊\\\\\\\\'.repeat(100_000)", /^Listening on \S+: (ü🦊\\\\)+(ü|ü🦊|ü🦊\\)?…$/],
  ])("delays neither READY=1 nor the end of a reload when it %s", async (_, status, expected) => {
    using receiver = openReceiver({ unit: { type: "notify-reload" } });
    const child = start(serve(`{ status: ${status}, statusIntervalMs: 20, onError() {} }`), receiver);
    for (const signal of ["SIGHUP", "SIGTERM"] as const) {
      const ready = await receiver.waitFor({ ready: true });
      expect(ready.state.status).toMatch(expected);
      expect(ready.verdict.problems).toEqual([]);
      child.kill(signal);
    }
    await receiver.waitFor({ stopping: true });
    expect(await child.exited).toBe(0);
  });

  test("asks no second time while it waits for an answer, and not without end", async () => {
    using receiver = openReceiver();
    const count = (interval: string) =>
      `${serve(`{ status: () => { asked++; return new Promise(() => {}); }, statusIntervalMs: ${interval} }`)}
       setTimeout(() => { console.log(asked); process.exit(); }, 300);`;
    for (const interval of ["1", "Infinity", "2 ** 31", "1e300"]) {
      const child = start(`let asked = 0; ${count(interval)}`, receiver);
      expect(await child.stdout.text()).toBe("1\n");
    }
  });
});

describe("manageServer(), a reload", () => {
  test("asks for time when it takes long", async () => {
    using receiver = openReceiver();
    const child = start(serve("{ reload: () => Bun.sleep(1300) }"), receiver);
    await receiver.waitFor({ ready: true });
    child.kill("SIGHUP");
    await receiver.waitFor({ ready: true });
    await barrier({ socket: receiver.address });
    expect(texts(receiver).slice(1)).toEqual([
      expect.stringMatching(/^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=Reloading\nEXTEND_TIMEOUT_USEC=10000000$/),
      "STATUS=Reloading, for 1 s\nEXTEND_TIMEOUT_USEC=10000000",
      expect.stringMatching(/^READY=1\nSTATUS=Listening on/),
    ]);
  });

  test("is given up when it hangs; the next one works, and is not ended by the first", async () => {
    using receiver = openReceiver();
    const child = start(
      `let count = 0;
       ${serve(`{
         reload: () => Bun.sleep(count++ === 0 ? 500 : 800),
         reloadTimeoutMs: 300 * (1 + 9 * count),
         onError: (error) => console.log(error.message),
       }`)}`.replace("300 * (1 + 9 * count)", "300"),
      receiver,
    );
    await receiver.waitFor({ ready: true });
    child.kill("SIGHUP");
    const failed = "Reload failed, the old configuration stays: it was given up after 300 ms";
    expect((await receiver.waitFor({ ready: true })).state.status).toBe(failed);
    child.kill("SIGHUP");
    await receiver.waitFor({ reloading: true });
    const begun = performance.now();
    await receiver.waitFor({ ready: true });
    // The first one ends after 200 ms of the second.
    expect(performance.now() - begun).toBeGreaterThan(250);
    child.kill("SIGTERM");
    expect(await child.stdout.text()).toBe("it was given up after 300 ms\nit was given up after 300 ms\n");
  });

  test("that fails calls onError, and is shown until the status changes", async () => {
    using receiver = openReceiver();
    const child = start(
      `let status = "quiet";
       ${serve(`{
         status: () => status,
         statusIntervalMs: 20,
         reload: () => { throw new Error("line 3"); },
         onError: (error) => { console.log(error.message); setTimeout(() => { status = "busy"; }, 200); },
       }`)}`,
      receiver,
    );
    await receiver.waitFor({ status: "quiet" });
    child.kill("SIGHUP");
    await receiver.waitFor({ status: "Reload failed, the old configuration stays: line 3" });
    expect((await receiver.next()).text).toBe("STATUS=busy");
    child.kill("SIGTERM");
    expect(await child.stdout.text()).toBe("line 3\n");
  });

  test("asked for several times at once is done once more", async () => {
    using receiver = openReceiver();
    const child = start(serve(`{ reload: async () => { console.log("reload"); await Bun.sleep(100); } }`), receiver);
    await receiver.waitFor({ ready: true });
    child.kill("SIGHUP");
    await receiver.waitFor({ reloading: true });
    for (let i = 0; i < 5; i++) child.kill("SIGHUP");
    await receiver.waitFor({ reloading: true });
    await receiver.waitFor({ ready: true });
    child.kill("SIGTERM");
    expect(await child.stdout.text()).toBe("reload\nreload\n");
    await barrier({ socket: receiver.address });
    const firsts = texts(receiver).map((text) => text.split("\n")[0]);
    expect(firsts).toEqual(["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]);
  });
});

describe("manageServer(), the stop", () => {
  const hanging = serve("{}", "new Promise(() => {})");

  test.each(["SIGTERM", "SIGINT"] as const)("dies by a second signal: %s", async (signal) => {
    using receiver = openReceiver();
    const child = start(hanging, receiver);
    const url = urlIn(await receiver.waitFor({ ready: true }));
    fetch(url).catch(() => {});
    await Bun.sleep(100);
    child.kill("SIGTERM");
    await receiver.waitFor({ stopping: true });
    child.kill(signal);
    await child.exited;
    expect(child.signalCode).toBe(signal);
  });

  const noNamespace = isRoot ? missing("unshare") : "not root";
  test.skipIf(Boolean(noNamespace))(
    titled("ends by a second signal as the first process of a container, too", noNamespace),
    async () => {
      using receiver = openReceiver();
      const source = hanging.replace("await", "await").concat(`
        fetch(server.url).catch(() => {});
        setTimeout(() => process.emit("SIGTERM", "SIGTERM"), 200);
        setTimeout(() => process.emit("SIGTERM", "SIGTERM"), 400);`);
      const child = start(source, receiver, { prefix: ["unshare", "--pid", "--fork", "--mount-proc"] });
      expect(await child.exited).toBe(143);
    },
  );

  test("goes on through a SIGHUP", async () => {
    using receiver = openReceiver();
    const child = start(serve("{}", `(await Bun.sleep(400), new Response("late"))`), receiver);
    const answer = fetch(urlIn(await receiver.waitFor({ ready: true })));
    await Bun.sleep(100);
    child.kill("SIGTERM");
    await receiver.waitFor({ stopping: true });
    child.kill("SIGHUP");
    expect(await (await answer).text()).toBe("late");
    expect(await child.exited).toBe(0);
    await barrier({ socket: receiver.address });
    expect(texts(receiver)).toHaveLength(2);
  });

  test("calls stopping() when no more connections are accepted, and waits for open websockets", async () => {
    using receiver = openReceiver();
    const child = start(
      `const sockets = new Set();
       const server = Bun.serve({
         port: 0,
         fetch: (request, server) => server.upgrade(request) ? undefined : new Response("x"),
         websocket: { open: (socket) => sockets.add(socket), message() {} },
       });
       manageServer(server, {
         stopping: async () => {
           console.log(await fetch(server.url).then(() => "accepted", () => "refused"));
           for (const socket of sockets) socket.close(1001, "restart");
         },
         stop: () => console.log("stopped"),
       });`,
      receiver,
    );
    const url = urlIn(await receiver.waitFor({ ready: true }));
    const socket = new WebSocket(url.replace("http", "ws"));
    const closed = Promise.withResolvers<number>();
    socket.onclose = ({ code }) => closed.resolve(code);
    await new Promise((resolve) => {
      socket.onopen = resolve;
    });
    child.kill("SIGTERM");
    expect((await receiver.waitFor({ stopping: true })).state.status).toBe(
      "Stopping: 0 requests in flight, 1 websocket open",
    );
    expect(await closed.promise).toBe(1001);
    expect(await child.exited).toBe(0);
    expect(await child.stdout.text()).toBe("refused\nstopped\n");
  });

  test.each([
    ["throws", "() => { throw new Error('no') }"],
    ["hangs", "() => new Promise(() => {})"],
  ])("ends in time when stopping() %s", async (_, stopping) => {
    using receiver = openReceiver();
    const child = start(
      serve(`{ stopping: ${stopping}, drainTimeoutMs: 300, stop: () => console.log("stopped"), onError() {} }`),
      receiver,
    );
    await receiver.waitFor({ ready: true });
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await child.stdout.text()).toBe("stopped\n");
  });

  test("ends requests that take longer than drainTimeoutMs", async () => {
    using receiver = openReceiver();
    const child = start(serve("{ drainTimeoutMs: 300 }", "new Promise(() => {})"), receiver);
    const answer = fetch(urlIn(await receiver.waitFor({ ready: true })));
    await Bun.sleep(100);
    child.kill("SIGTERM");
    expect(answer).rejects.toThrow();
    expect(await child.exited).toBe(0);
  });

  test("pings on without asking healthy(), which may well say no by then", async () => {
    using receiver = openReceiver();
    const child = start(
      serve(
        "{ healthy: async () => (await fetch(server.url)).ok }",
        `(await Bun.sleep(request.url.endsWith("slow") ? 500 : 0), new Response("x"))`,
      ),
      receiver,
      { env: { WATCHDOG_USEC: "100000" } },
    );
    const url = urlIn(await receiver.waitFor({ ready: true }));
    const answer = fetch(`${url}slow`);
    await receiver.waitFor({ watchdog: true });
    child.kill("SIGTERM");
    await receiver.waitFor({ stopping: true });
    for (let i = 0; i < 3; i++) expect((await receiver.next()).text).toBe("WATCHDOG=1");
    await (await answer).text();
    expect(await child.exited).toBe(0);
    expect(await child.stderr.text()).toBe("");
  });

  test("of a server of node:http that does not listen yet is over at once", async () => {
    using receiver = openReceiver();
    const child = start(
      `import { createServer } from "node:http"; manageServer(createServer()); setInterval(() => {}, 1e6); notify({ status: "here" });`,
      receiver,
    );
    await receiver.waitFor({ status: "here" });
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("of a server of node:http that clients keep busy ends all the same", async () => {
    using receiver = openReceiver();
    const child = start(
      `import { createServer } from "node:http";
       const server = createServer((request, response) => setTimeout(() => response.end("x"), 20));
       manageServer(server);
       server.listen(0, "127.0.0.1");`,
      receiver,
    );
    const url = urlIn(await receiver.waitFor({ ready: true }));
    let [answered, isStopping, isOver] = [0, false, false];
    const client = async () => {
      try {
        for (; !isOver; answered++) await (await fetch(url)).text();
      } catch (error) {
        // It takes no new connections any more. One that it closes because it is idle may have a request on its way.
        const { code = "" } = error as NodeJS.ErrnoException;
        if (!isStopping || !["ECONNREFUSED", "ECONNRESET"].includes(code)) throw error;
      }
    };
    const clients = Promise.all(Array.from({ length: 8 }, client));
    while (answered < 50) await Bun.sleep(10);
    isStopping = true;
    child.kill("SIGTERM");
    await receiver.waitFor({ stopping: true });
    isOver = true;
    await clients;
    const begun = performance.now();
    expect(await child.exited).toBe(0);
    expect(performance.now() - begun).toBeLessThan(1000);
  });
});
