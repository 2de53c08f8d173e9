import { afterEach, describe, expect, test } from "bun:test";
import { openReceiver } from "../src/receiver/receiver.ts";
import { type Child, endPrograms, start } from "./support/server.ts";

afterEach(endPrograms);

const LOCAL = `probes: { port: 0, hostname: "127.0.0.1" }`;

/** Starts a server with probes, and returns how to ask them. */
async function probed(options: string, { receiver, handler = `new Response("x")` }: ProbedOptions = {}) {
  const child = start(
    `let well = true;
     const begun = performance.now();
     const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: async (request) => ${handler} });
     const managed = manageServer(server, { ${LOCAL}, ${options} });
     console.log(managed.probesUrl.href, server.url.href);`,
    receiver,
  );
  return { child, ...(await urls(child)) };
}

interface ProbedOptions {
  receiver?: ReturnType<typeof openReceiver>;
  handler?: string;
}

async function urls(child: Child) {
  const reader = child.stdout.getReader();
  const [probes = "", web = ""] = new TextDecoder()
    .decode((await reader.read()).value)
    .trim()
    .split(" ");
  reader.releaseLock();
  const ask = async (path: string) => {
    const response = await fetch(new URL(path, probes));
    return `${response.status} ${(await response.text()).trimEnd()}`;
  };
  return { ask, probes, web };
}

/** Waits until a probe answers with this. */
async function until(ask: () => Promise<string>, expected: RegExp): Promise<string> {
  for (const deadline = performance.now() + 5000; performance.now() < deadline; await Bun.sleep(10)) {
    const answer = await ask();
    if (expected.test(answer)) return answer;
  }
  throw new Error(`never ${expected}: ${await ask()}`);
}

describe("the probes", () => {
  test.each([
    ["with", openReceiver],
    ["without", () => undefined],
  ])("tell of the start and of the stop, %s a service manager", async (_, open) => {
    using receiver = open();
    const child = start(
      `import { createServer } from "node:http";
       const server = createServer((request, response) => setTimeout(() => response.end("late"), 400));
       const managed = manageServer(server, { ${LOCAL} });
       console.log(managed.probesUrl.href);
       // Neither a signal's handler nor the probes keep a program alive.
       setTimeout(() => {}, 60_000);
       process.once("SIGUSR2", () => server.listen(0, "127.0.0.1"));`,
      receiver,
    );
    const { ask } = await urls(child);
    expect(await ask("/startupz")).toBe("503 starting: it does not listen yet");
    expect(await ask("/readyz")).toBe("503 starting: it does not listen yet");
    expect(await ask("/livez")).toBe("200 starting");
    child.kill("SIGUSR2");
    const ready = await until(() => ask("/readyz"), /^200/);
    expect(ready).toMatch(/^200 Listening on 127\.0\.0\.1:\d+$/);
    expect(await ask("/startupz")).toBe("200 started");
    expect(await ask("/livez")).toBe("200 alive");
    const answer = fetch(`http://${ready.split(" ").at(-1)}/`);
    await Bun.sleep(50);
    child.kill("SIGTERM");
    expect(await until(() => ask("/readyz"), /^503/)).toBe("503 stopping, by SIGTERM");
    expect(await ask("/livez")).toBe("200 stopping");
    expect(await ask("/startupz")).toBe("200 started");
    expect(await (await answer).text()).toBe("late");
    expect(await child.exited).toBe(0);
  });

  test("say that it is alive while healthy() holds", async () => {
    const { child, ask } = await probed(
      `healthy: () => {
      const phase = Math.floor(requests++);
      if (phase === 1) return false;
      if (phase === 2) throw new Error("no database\\nand more");
      if (phase === 3) return new Promise(() => {});
      return true;
    }, status: () => "x"`.replace("requests++", "(globalThis.count = (globalThis.count ?? -1) + 1)"),
    );
    await until(() => ask("/readyz"), /^200/);
    expect(await ask("/livez")).toBe("200 alive");
    expect(await ask("/livez")).toBe("503 healthy() says that it is not");
    expect(await ask("/livez")).toBe("503 healthy() failed: no database");
    const begun = performance.now();
    expect(await ask("/livez")).toBe("503 healthy() has not answered for 900 ms");
    expect(performance.now() - begun).toBeWithin(800, 1500);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("tell more with ?verbose, and nothing elsewhere", async () => {
    const { child, ask, probes } = await probed(`status: () => "7 jobs"`);
    await until(() => ask("/readyz"), /^200/);
    const answer = await fetch(`${probes}readyz?verbose`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({
      ok: true,
      why: expect.stringMatching(/^Listening on http/),
      phase: "ready",
      status: expect.stringMatching(/^Listening on http\S+: 7 jobs$/),
      reloads: 0,
      requests: 0,
      websockets: 0,
    });
    expect(await ask("/")).toBe("404 there are /livez, /readyz and /startupz");
    expect((await fetch(`${probes}livez`, { method: "POST" })).status).toBe(405);
    expect((await fetch(`${probes}livez`, { method: "HEAD" })).status).toBe(200);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("say no for drainDelayMs while the server goes on", async () => {
    using receiver = openReceiver();
    const { child, ask, web } = await probed("drainDelayMs: 500", { receiver });
    await until(() => ask("/readyz"), /^200/);
    const begun = performance.now();
    child.kill("SIGTERM");
    const { state } = await receiver.waitFor({ stopping: true });
    expect(state).toMatchObject({ status: "Stopping soon: 0 requests in flight", extendTimeoutMs: 10_000 });
    expect(await ask("/readyz")).toBe("503 stopping, by SIGTERM");
    for (let i = 0; i < 5; i++) expect(await (await fetch(web)).text()).toBe("x");
    expect((await receiver.next()).state.status).toBe("Stopping: 0 requests in flight");
    expect(await child.exited).toBe(0);
    expect(performance.now() - begun).toBeGreaterThan(450);
  });

  test("go with end(), do not keep the program alive, and complain of a port in use", async () => {
    const child = start(`
      const server = Bun.serve({ port: 0, fetch: () => new Response("x") });
      try { manageServer(server, { probes: server.port }); } catch (error) { console.log(error.code); }
      const managed = manageServer(server, { ${LOCAL} });
      const url = managed.probesUrl;
      managed.end();
      console.log(await fetch(url).then(() => "answers", () => "gone"));
      manageServer(server, { ${LOCAL} });
      server.stop();`);
    expect(await child.exited).toBe(0);
    expect(await child.stdout.text()).toBe("EADDRINUSE\ngone\n");
  });
});
