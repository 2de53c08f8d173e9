/**
 * Stops a server of each framework, as docs/servers.md shows it, with a request in flight and idle
 * connections that would stay: `npm run test:frameworks`. The frameworks have a package.json of their own, so
 * that this package's own install stays small.
 */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { openReceiver } from "../../src/receiver/receiver.ts";
import { BUN, ROOT } from "../support/command.ts";

const REQUEST_MS = 700;
const LIMIT_MS = 1500;
const IDLE = 20;

/** The programs of the page, by their headings. */
const page = readFileSync(join(ROOT, "docs/servers.md"), "utf8");
const shown = [...page.matchAll(/^### ([^\n]+)\n[^#]*?^```ts\n(.*?)^```$/gms)].map(([, title = "", code = ""]) => ({
  title,
  code,
}));
/** Those with a handler for SIGTERM that the page turns off: as they are without that. */
const unturned = shown
  .filter(({ code }) => code.includes("gracefulShutdown: false"))
  .map(({ title, code }) => ({
    title: `${title}, and its own handler`,
    code: code.replace(", gracefulShutdown: false", ""),
  }));
const programs = [...shown, ...unturned];

const rows: string[] = [];
const path = join(import.meta.dir, `program-${process.pid}.ts`);

beforeAll(() => {
  if (!existsSync(join(import.meta.dir, "node_modules"))) throw new Error("call this by npm run test:frameworks");
});

afterAll(() => {
  rmSync(path, { force: true });
  console.log(
    [
      "from SIGTERM to exit  request  idle closed  exit  framework (a request of 0.7 s, 20 idle connections)",
      ...rows,
    ].join("\n"),
  );
});

test("the page shows every framework of package.json", async () => {
  const { dependencies } = await Bun.file(join(import.meta.dir, "package.json")).json();
  const used = Object.keys(dependencies).filter((name) => programs.some(({ code }) => code.includes(`from "${name}"`)));
  expect(used).toEqual(Object.keys(dependencies));
});

test.each(programs)(
  "$title answers what is in flight, closes idle connections, and exits in time",
  async ({ title, code }) => {
    using receiver = openReceiver();
    const source = code
      .replace('"sd-notify"', JSON.stringify(join(ROOT, "src/index.ts")))
      .replaceAll(/listen\(3000\)/g, 'listen({ port: 0, hostname: "127.0.0.1", host: "127.0.0.1" })')
      .replaceAll("port: 3000", 'port: 0, hostname: "127.0.0.1", host: "127.0.0.1"');
    await Bun.write(
      path,
      `${source}\nlet count = 0;\nasync function answer() { if (count++ >= ${IDLE}) await Bun.sleep(${REQUEST_MS}); return "answered"; }\n`,
    );
    const child = Bun.spawn([BUN, path], {
      env: { PATH: process.env.PATH ?? "", ...receiver.env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    try {
      const { state } = await receiver.waitFor({ ready: true });
      const port = Number(/:(\d+)\/?$/.exec(state.status ?? "")?.[1]);
      const idle = await Promise.all(Array.from({ length: IDLE }, () => request(port)));
      expect((await Promise.all(idle.map(({ answer }) => answer))).every((text) => text.includes("answered"))).toBe(
        true,
      );
      const slow = request(port);
      // The request is in the program's hands when the server has had a turn.
      await Bun.sleep(150);
      const start = performance.now();
      child.kill("SIGTERM");
      const exit = await child.exited;
      const timeMs = performance.now() - start;
      const answered = (await slow.answer).includes("answered");
      const closed = idle.filter(({ socket }) => socket.closed || socket.readableEnded).length;
      rows.push(
        `${timeMs.toFixed(0).padStart(17)} ms  ${answered ? "answered" : "lost    "} ${`${closed}`.padStart(10)}  ${`${exit}`.padStart(4)}  ${title}`,
      );
      expect({ exit, answered }).toEqual({ exit: 0, answered: true });
      expect(timeMs).toBeWithin(REQUEST_MS - 250, LIMIT_MS);
      expect(receiver.history.map(({ state }) => state).filter(({ stopping }) => stopping)).toHaveLength(1);
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  },
);

// --- internal ---

/** Sends a request on a connection that stays open. `answer` is what came by the end of the body. */
function request(port: number): { socket: Socket; answer: Promise<string> } {
  const socket = connect(port, "127.0.0.1");
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
    if (text.includes("answered")) resolve(text);
  });
  socket.on("error", () => {}).on("close", () => resolve(text));
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n");
  return { socket, answer: promise };
}
