import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { openReceiver } from "../src/receiver/receiver.ts";
import { BUN, ROOT, runModule, temporaryDirectory } from "./support/command.ts";

const children: Bun.Subprocess[] = [];

// A server that still waits for a request would not end on SIGTERM.
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.splice(0).map(({ exited }) => exited));
});

/** Starts a server that was passed sockets, as the service manager does it. */
function start(source: string, fds: number[] = [], env: Record<string, string> = {}) {
  const child = Bun.spawn(["sh", "-c", `LISTEN_PID=$$ exec ${BUN} run -`], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", ...(fds.length > 0 && { LISTEN_FDS: `${fds.length}` }), ...env },
    stdio: [Buffer.from(`import { serve } from "./src/index.ts";\n${source}`), "pipe", "inherit", ...fds] as never,
  });
  children.push(child);
  const reader = (child.stdout as unknown as ReadableStream<Uint8Array>).getReader();
  const line = async () =>
    Buffer.from((await reader.read()).value ?? [])
      .toString()
      .trimEnd();
  return { child, line };
}

const hello = `
  const server = await serve({ fetch: async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/stop") setTimeout(async () => { await server.stop(); process.exit(0); });
    await Bun.sleep(Number(searchParams.get("ms")));
    return new Response(pathname + " " + request.method + " " + await request.text(), { status: 201, headers: { "x-a": "b" } });
  }, ...OPTIONS });
  console.log(server.url?.href, server.passed);`;
const withOptions = (options: string) => hello.replace("OPTIONS", options);

function listener() {
  const server = Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } });
  return { fd: (server as unknown as { fd: number }).fd, port: server.port, close: () => server.stop() };
}

describe("serve()", () => {
  test("answers on a TCP socket that was passed", async () => {
    const { fd, port, close } = listener();
    const { child, line } = start(withOptions("{}"), [fd], { LISTEN_FDNAMES: "http" });
    expect(await line()).toBe(`http://127.0.0.1:${port}/ true`);
    close();
    const response = await fetch(`http://127.0.0.1:${port}/a?ms=1`, { method: "POST", body: "größe" });
    expect([response.status, response.headers.get("x-a"), await response.text()]).toEqual([201, "b", "/a POST größe"]);
    await fetch(`http://127.0.0.1:${port}/stop`);
    expect(await child.exited).toBe(0);
  });

  test("takes the socket of the name, and opens one for the fd store where there is none", async () => {
    using receiver = openReceiver();
    const { fd, close } = listener();
    const { child, line } = start(withOptions("{ name: 'api' }"), [fd], { LISTEN_FDNAMES: "http", ...receiver.env });
    const [url = "", passed] = (await line()).split(" ");
    close();
    expect(passed).toBe("false");
    using stored = await receiver.waitFor(({ text }) => text === "FDSTORE=1\nFDNAME=api");
    expect(stored.fds).toHaveLength(1);
    expect(await (await fetch(`${url}x`)).text()).toBe("/x GET ");
    // A start after that one finds it there, at the same address.
    await fetch(`${url}stop`);
    expect(await child.exited).toBe(0);
    const again = start(withOptions("{ name: 'api' }"), stored.fds, { LISTEN_FDNAMES: "api" });
    expect(await again.line()).toBe(`${url} true`);
    expect(await (await fetch(`${url}y`)).text()).toBe("/y GET ");
  });

  test("answers on a unix socket", async () => {
    using directory = temporaryDirectory();
    using receiver = openReceiver();
    const unix = join(directory.path, "http");
    const { child, line } = start(withOptions(`{ unix: ${JSON.stringify(unix)} }`), [], receiver.env);
    expect(await line()).toBe("undefined false");
    expect(await (await fetch("http://localhost/z", { unix })).text()).toBe("/z GET ");
    using stored = await receiver.waitFor(({ fds }) => fds.length === 1);
    await fetch("http://localhost/stop", { unix });
    expect(await child.exited).toBe(0);
    const again = start(withOptions("{}"), stored.fds, { LISTEN_FDNAMES: "http" });
    expect(await again.line()).toBe("undefined true");
    expect(await (await fetch("http://localhost/w", { unix })).text()).toBe("/w GET ");
  });

  test("answers the requests in flight before it stops, and refuses none that come meanwhile", async () => {
    using receiver = openReceiver();
    const first = start(withOptions("{}"), [], receiver.env);
    const [url = ""] = (await first.line()).split(" ");
    using stored = await receiver.waitFor(({ fds }) => fds.length === 1);
    const slow = fetch(`${url}slow?ms=300`);
    await fetch(`${url}fast`);
    await fetch(`${url}stop`);
    const waiting = fetch(`${url}next`);
    expect(await (await slow).text()).toBe("/slow GET ");
    expect(await first.child.exited).toBe(0);
    start(withOptions("{}"), stored.fds, { LISTEN_FDNAMES: "http" });
    expect(await (await waiting).text()).toBe("/next GET ");
  });

  test("stops although a client has gone before its answer came", async () => {
    const { child, line } = start(withOptions("{}"));
    const [url = ""] = (await line()).split(" ");
    const source = `for (let i = 0; i < 5; i++) await fetch("${url}slow?ms=200", { signal: AbortSignal.timeout(30) }).catch(() => {});`;
    expect((await runModule(source)).code).toBe(0);
    await fetch(`${url}stop`);
    expect(await child.exited).toBe(0);
  });

  test("loses none of 1,000 requests a second through a restart", async () => {
    using receiver = openReceiver();
    let current = start(withOptions("{}"), [], receiver.env);
    const [url = ""] = (await current.line()).split(" ");
    using stored = await receiver.waitFor(({ fds }) => fds.length === 1);
    // A failure is a result, too: an unhandled rejection would end the test before the restart is over.
    const requests: Promise<string>[] = [];
    const begin = performance.now();
    const request = async () => (await fetch(`${url}r`, { headers: { connection: "close" }, keepalive: false })).text();
    let restarting: Promise<unknown> | undefined;
    while (performance.now() - begin < 1500) {
      const due = Math.floor(performance.now() - begin);
      while (requests.length < due) requests.push(request().catch((error) => `${error}`));
      if (!restarting && due > 400) {
        restarting = fetch(`${url}stop`)
          .then(() => current.child.exited)
          .then(() => {
            current = start(withOptions("{}"), stored.fds, { LISTEN_FDNAMES: "http" });
            return current.line();
          });
      }
      await Bun.sleep(1);
    }
    await restarting;
    expect(requests.length).toBeGreaterThan(1000);
    const answers = await Promise.all(requests);
    expect(answers.filter((answer) => answer !== "/r GET ")).toEqual([]);
  }, 20_000);

  test("refuses options that can't be, and a port that is taken", async () => {
    const source = `
      for (const options of [{}, { fetch: 5 }, { fetch() {}, prt: 1 }]) await serve(options).catch((error) => console.log(error.name));
      const taken = Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } });
      await serve({ fetch() {}, port: taken.port }).catch((error) => console.log(error.code));
      process.exit();`;
    const { line } = start(
      `const lines = [];\n${source.replaceAll("console.log(", "lines.push(").replace("process.exit", "console.log(lines.join()); process.exit")}`,
    );
    expect(await line()).toBe("TypeError,TypeError,TypeError,EADDRINUSE");
  });
});

test("Bun.serve() takes no fd yet; the day it does, serve() can do without its detour", async () => {
  const { fd, port, close } = listener();
  const source = `
    let passed;
    try {
      const server = Bun.serve({ fd: 3, port: 0, fetch: () => new Response("x") });
      passed = server.port === ${port};
      server.stop(true);
    } catch { passed = false; }
    console.log(passed);
    process.exit();`;
  const { line } = start(source, [fd]);
  expect(await line()).toBe("false");
  close();
});
