import { afterEach, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { openReceiver } from "../src/receiver/receiver.ts";
import { BUN, ROOT, temporaryDirectory } from "./support/command.ts";
import { tcpListener } from "./support/listeners.ts";
import { endServers, start, watch } from "./support/serve.ts";

afterEach(endServers);

const text = async (url: string, init: BunFetchRequestInit = {}) => (await fetch(url, init)).text();

describe("threads that open the same place at the same time", () => {
  test("get one server: of serve({ unix }), the others fail", async () => {
    using directory = temporaryDirectory();
    const unix = join(directory.path, "http");
    const program = join(directory.path, "program.ts");
    await Bun.write(program, RACE.replace("UNIX", unix).replace("INDEX", join(ROOT, "src/index.ts")));
    const { line } = watch(Bun.spawn([BUN, program], { stdio: ["ignore", "pipe", "pipe"] }));
    expect(await line()).toBe("0 rounds without exactly one server that answers");
  }, 30_000);

  test("all serve the passed socket, and find it while other threads open and close theirs", async () => {
    using directory = temporaryDirectory();
    using socket = tcpListener();
    const worker = join(directory.path, "worker.ts");
    await Bun.write(worker, MANY.replace("INDEX", join(ROOT, "src/index.ts")));
    const { line } = start(
      `const workers = Array.from({ length: 4 }, () => new Worker(${JSON.stringify(worker)}));
       const told = await Promise.all(workers.map((worker) => new Promise((resolve) => {
         worker.onmessage = ({ data }) => resolve(data);
         worker.onerror = ({ message }) => resolve(message);
       })));
       console.log(JSON.stringify(told));
       process.exit();`,
      [socket.fd],
    );
    expect(JSON.parse((await line()) ?? "")).toEqual(Array(4).fill("done"));
  }, 30_000);
});

describe("a program that has no file descriptor left", () => {
  const FILL = `
    const { openSync, closeSync, readdirSync } = await import("node:fs");
    const held = [];
    const fill = () => { try { for (;;) held.push(openSync("/dev/null")); } catch {} };
    const free = () => { for (const fd of held.splice(0)) closeSync(fd); };`;

  test("is told so by serve(), loses nothing, and serves the passed socket when it has some again", async () => {
    using socket = tcpListener();
    const { line } = start(
      `${FILL}
       const count = () => readdirSync("/proc/self/fd").length;
       const options = { fetch: () => new Response("x") };
       await (await serve({ name: "warm", port: 0, ...options })).stop(true);
       const before = count();
       for (const spare of [0, 1, 2, 3, 4, 5, 6]) {
         fill();
         for (const fd of held.splice(0, spare)) closeSync(fd);
         const server = await serve(options).catch((error) => { console.log(error.message); });
         if (server) { await server.stop(true); console.log("served with " + spare); }
         free();
       }
       console.log(count() - before + " more than before");
       console.log("left");
       console.log((await serve(options)).url.href);`,
      [socket.fd],
      {},
      BUN,
      "ulimit -n 64",
    );
    const lines: string[] = [];
    for (let next = await line(); next && !next.startsWith("left"); next = await line()) lines.push(next);
    for (const told of lines.slice(0, -1)) expect(told).toMatch(/^served with \d$|EMFILE|Failed to start server/);
    expect(lines[0]).not.toStartWith("served");
    expect(lines.slice(-2)).toEqual(["served with 6", "0 more than before"]);
    expect(await line()).toBe(socket.url);
    expect(await text(socket.url)).toBe("x");
  });

  test("answers clients that have waited, as soon as others have gone", async () => {
    using socket = tcpListener();
    const { line } = start(
      `const server = await serve({ fetch: () => new Response("x") }); console.log("up");`,
      [socket.fd],
      {},
      BUN,
      "ulimit -n 48",
    );
    await line();
    const idle = await clients(socket.url, 100);
    const waiting = text(socket.url, { keepalive: false });
    expect(await Promise.race([waiting, Bun.sleep(300).then(() => "waits")])).toBe("waits");
    for (const client of idle) client.destroy();
    expect(await waiting).toBe("x");
  });

  test("answers at its stop what is in flight, and what has been sent", async () => {
    using socket = tcpListener();
    using receiver = openReceiver();
    const { child, line } = start(
      `import { manageServer } from "./src/index.ts";
       ${FILL}
       const server = await serve({ async fetch() { console.log("taken"); await Bun.sleep(700); return new Response("late"); } });
       manageServer(server);
       process.on("SIGUSR2", () => { fill(); console.log("full"); });
       console.log("up");`,
      [socket.fd],
      receiver.env,
      BUN,
      "ulimit -n 64",
    );
    await line();
    await receiver.waitFor({ ready: true });
    const answer = text(socket.url, { keepalive: false });
    expect(await line()).toBe("taken");
    child.kill("SIGUSR2");
    expect(await line()).toBe("full");
    child.kill("SIGTERM");
    expect(await answer).toBe("late");
    expect(await child.exited).toBe(0);
    expect(receiver.history.at(-1)?.text).not.toContain("Failed");
  });
});

// --- internal ---

/** Four threads open a unix socket, again and again. */
const RACE = `
import { serve } from "INDEX";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
const unix = "UNIX", fetchX = { unix, fetch: () => new Response("x") };
const ROUNDS = 300;
if (isMainThread) {
  const shared = new SharedArrayBuffer(4);
  const gate = new Int32Array(shared);
  const workers = Array.from({ length: 4 }, () => new Worker(import.meta.path, { workerData: shared }));
  const all = () => Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("message", resolve))));
  let wrong = 0;
  await all();
  for (let round = 1; round <= ROUNDS; round++) {
    const opened = all();
    Atomics.store(gate, 0, round);
    Atomics.notify(gate, 0);
    const servers = (await opened).filter((said) => said === "serves").length;
    const answer = await fetch("http://localhost/", { unix, keepalive: false }).then((response) => response.text(), () => "none");
    if (servers !== 1 || answer !== "x") wrong++;
    const stopped = all();
    for (const worker of workers) worker.postMessage("stop");
    await stopped;
  }
  console.log(wrong + " rounds without exactly one server that answers");
  process.exit();
}
const gate = new Int32Array(workerData);
parentPort.postMessage("up");
for (let round = 1; round <= ROUNDS; round++) {
  Atomics.wait(gate, 0, round - 1);
  const stop = new Promise((resolve) => parentPort.once("message", resolve));
  const server = await serve(fetchX).catch(() => {});
  parentPort.postMessage(server ? "serves" : "fails");
  await stop;
  await server?.stop(true);
  parentPort.postMessage("stopped");
}`;

/** A thread that serves the passed socket, and opens and closes other servers, again and again. */
const MANY = `
import { serve } from "INDEX";
const fetch = () => new Response("x");
try {
  for (let i = 0; i < 40; i++) {
    const passed = await serve({ fetch });
    const own = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch });
    await Promise.all([passed.stop(true), own.stop(true)]);
  }
  postMessage("done");
} catch (error) {
  postMessage(String(error));
}`;

/** Connects clients that send nothing. */
async function clients(url: string, count: number): Promise<Socket[]> {
  const { port, hostname } = new URL(url);
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect(Number(port), hostname);
      const connected = Promise.withResolvers<void>();
      socket.once("connect", connected.resolve).once("error", connected.reject);
      await connected.promise;
      return socket;
    }),
  );
}
