import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openReceiver } from "../src/receiver/receiver.ts";
import { temporaryDirectory } from "./support/command.ts";
import { tcpListener } from "./support/listeners.ts";
import {
  BUN_SERVE,
  endPrograms,
  life,
  type ProgramOptions,
  REGISTER,
  removePrograms,
  startProgram,
  text,
  urlOf,
  WHOLE_LIFE,
} from "./support/register.ts";

afterEach(endPrograms);
afterAll(removePrograms);

describe("a worker that serves", () => {
  const worker = (options: string, answer = `new Response("worker")`) =>
    `Bun.serve({ ${options}, hostname: "127.0.0.1", fetch: async () => ${answer} });`;

  /** Starts a program that has workers of this source. */
  function startWith(source: string, count: number, options: ProgramOptions, more = "") {
    using directory = temporaryDirectory();
    const path = `${directory.path}.ts`;
    writeFileSync(path, source);
    cleanup.push(path);
    return startProgram(`for (let i = 0; i < ${count}; i++) new Worker(${JSON.stringify(path)}); ${more}`, options);
  }
  const cleanup: string[] = [];
  afterAll(() => {
    for (const path of cleanup) rmSync(path, { force: true });
  });

  test("makes the program ready, and answers what is in flight at the stop", async () => {
    using receiver = openReceiver();
    const late = `(console.log("taken"), await Bun.sleep(500), new Response("late"))`;
    const { child, line } = startWith(worker("port: 0", late), 1, { receiver });
    const answer = text(urlOf(await receiver.waitFor({ ready: true })));
    expect(await line()).toBe("taken");
    child.kill("SIGTERM");
    expect(await answer).toBe("late");
    expect(await child.exited).toBe(0);
    expect(await life(receiver)).toEqual(WHOLE_LIFE);
  });

  test("takes the passed socket, of which several accept", async () => {
    using receiver = openReceiver();
    using socket = tcpListener();
    const source = worker(
      "port: 3000, reusePort: true",
      `new Response(String(process.getBuiltinModule("node:worker_threads").threadId))`,
    );
    const { child } = startWith(source, 3, { receiver, fds: [socket.fd] });
    expect(urlOf(await receiver.waitFor({ ready: true }))).toBe(socket.url);
    const init = { keepalive: false, headers: { connection: "close" } };
    // On a machine with other work, one of them may be quick enough for a hundred.
    const threads = new Set<string>();
    while (threads.size < 2) {
      for (const thread of await Promise.all(Array.from({ length: 100 }, () => text(socket.url, init))))
        threads.add(thread);
    }
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("of node:worker_threads imports register itself", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const path = join(directory.path, "worker.ts");
    await Bun.write(path, `import ${JSON.stringify(REGISTER)}; ${worker("port: 0")}`);
    const source = `import { Worker } from "node:worker_threads"; new Worker(${JSON.stringify(path)});`;
    const { child } = startProgram(source, { receiver });
    expect(await text(urlOf(await receiver.waitFor({ ready: true })))).toBe("worker");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await life(receiver)).toEqual(WHOLE_LIFE);
  });

  test("and is done ends as ever, and with it the program", async () => {
    using receiver = openReceiver();
    const source = `const worker = new Worker("data:text/javascript,postMessage(1)");
      worker.addEventListener("close", () => console.log("closed"));`;
    const { child, line } = startProgram(source, { receiver });
    expect(await line()).toBe("closed");
    expect(await child.exited).toBe(0);
  });

  test("and is terminated keeps no stop waiting", async () => {
    using receiver = openReceiver();
    const { child, line } = startWith(
      worker("port: 0"),
      0,
      { receiver },
      `${BUN_SERVE} const worker = new Worker(PATH);
       setTimeout(() => { worker.terminate(); console.log("terminated"); }, 800);`.replace(
        "PATH",
        JSON.stringify(`data:text/javascript,${encodeURIComponent(worker("port: 0"))}`),
      ),
    );
    await receiver.waitFor({ ready: true });
    expect(await line()).toBe("terminated");
    await Bun.sleep(100);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("and can't be stopped keeps no stop waiting, and its failure is told", async () => {
    using receiver = openReceiver();
    const broken = worker("port: 0").replace("Bun.serve(", "const server = Bun.serve(");
    const late = worker("port: 0", `(console.log("taken"), await Bun.sleep(500), new Response("late"))`);
    const source = `${broken} server.stop = () => Promise.reject(new Error("the worker is broken")); ${late}`;
    const { child, line, errors } = startWith(source, 1, { receiver, env: { SD_NOTIFY_DRAIN_SEC: "5" } });
    const { state } = await receiver.waitFor({ ready: true });
    const answer = text([...(state.status ?? "").matchAll(/http:[^\s,]+/g)].map(([url]) => url)[1] ?? "");
    expect(await line()).toBe("taken");
    const begun = performance.now();
    child.kill("SIGTERM");
    expect(await answer).toBe("late");
    expect(await child.exited).toBe(1);
    expect(performance.now() - begun).toBeLessThan(4000);
    expect(await errors).toEqual(["sd-notify: the worker is broken"]);
  });

  test("tells how busy it is, which the status and the stop show", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const [up, go] = [join(directory.path, "up"), join(directory.path, "go")];
    const until = (path: string) => `while (!(await Bun.file("${path}").exists())) await Bun.sleep(20);`;
    const late = `(console.log("taken"), await (async () => { ${until(go)} })(), new Response("late"))`;
    const own = BUN_SERVE.replace('new Response("x")', late).replace("() =>", "async () =>");
    const { child, line } = startWith(
      `${worker("port: 0", late)} await Bun.write("${up}", "");`,
      1,
      { receiver },
      `${until(up)} ${own}`,
    );
    const { state } = await receiver.waitFor({ ready: true });
    const urls = [...(state.status ?? "").matchAll(/http:[^\s,]+/g)].map(([url]) => url);
    const answers = Promise.all(urls.map((url) => text(url)));
    expect([await line(), await line()]).toEqual(["taken", "taken"]);
    const status = `Listening on ${urls.join(", ")}: 2 requests in flight`;
    await receiver.waitFor({ status }, { timeoutMs: 9000 });
    child.kill("SIGTERM");
    await receiver.waitFor({ stopping: true, status: "Stopping: 2 requests in flight" });
    writeFileSync(go, "");
    expect(await answers).toEqual(["late", "late"]);
    expect(await child.exited).toBe(0);
  }, 20_000);

  test("puts off no READY=1 by telling how busy it is, while the top level still awaits something", async () => {
    using receiver = openReceiver();
    const busy = `const server = ${worker("port: 0", "(await new Promise(() => {}), new Response())")}
      setInterval(() => void fetch(server.url).catch(() => {}), 300);`;
    startWith(busy, 1, { receiver }, "await new Promise(() => {});");
    await receiver.waitFor({ ready: true }, { timeoutMs: 4500 });
  });
});
