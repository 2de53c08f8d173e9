import { describe, expect, test } from "bun:test";
import { createServer } from "node:http";
import { createServer as createNetServer } from "node:net";
import { adapt, isApplication, totalLoad } from "../src/server/adapters.ts";

/** As express makes it. */
const application = Object.assign(() => {}, { listen() {}, handle() {} });

describe("adapt()", () => {
  test.each([
    ["nothing", undefined, /must be one that has stop\(\) or close\(\), not undefined/],
    ["an application of express", application, /pass what its listen\(\) returns/],
    ["an application of koa", { listen() {}, callback() {} }, /pass what its listen\(\) returns/],
    ["an application of hono", { fetch() {} }, /manageServer\(Bun\.serve\(app\)\)/],
    ["an object", {}, /pass the server of Bun\.serve\(\)/],
  ])("refuses %s, and says what to pass", (_, server, message) => {
    expect(() => adapt(server)).toThrow(TypeError);
    expect(() => adapt(server)).toThrow(message);
  });

  test("an application is no function that makes servers", () => {
    expect(isApplication(application)).toBe(true);
    expect(isApplication(async () => Bun.serve({ fetch: () => new Response() }))).toBe(false);
  });

  test("tells where a server listens", async () => {
    using bun = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    using tcp = Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } });
    expect(adapt(bun).where()).toBe(`http://127.0.0.1:${bun.port}/`);
    expect(adapt(tcp).where()).toBe(`127.0.0.1:${tcp.port}`);
    const [http, net] = [createServer(), createNetServer()];
    for (const server of [http, net]) {
      const adapter = adapt(server);
      expect(adapter.where()).toBeUndefined();
      const listening = adapter.whenListening();
      server.listen(0, "::1");
      await listening;
      expect(adapter.where()).toMatch(/^\[::1\]:\d+$/);
      await adapter.drain();
    }
  });

  test("drains a server of node:net when its connections have ended", async () => {
    const server = createNetServer((socket) => setTimeout(() => socket.end("bye"), 100));
    server.listen(0, "127.0.0.1");
    const adapter = adapt(server);
    await adapter.whenListening();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: (server.address() as { port: number }).port,
      socket: { data() {} },
    });
    await Bun.sleep(20);
    const begun = performance.now();
    await adapter.drain();
    expect(performance.now() - begun).toBeWithin(50, 500);
    socket.end();
  });

  test("passes on why a server can't be stopped", () => {
    const stop = async () => {
      throw new Error("no");
    };
    expect(adapt({ stop }).drain()).rejects.toThrow("no");
    expect(adapt({ close: stop }).drain()).rejects.toThrow("no");
    expect(() => adapt({ stop }).closeNow()).not.toThrow();
  });
});

test("totalLoad() adds up what is counted", () => {
  const counting = (pendingRequests: number, pendingWebSockets: number) =>
    adapt({ stop() {}, pendingRequests, pendingWebSockets });
  expect(totalLoad([adapt({ stop() {} })])).toEqual({ requests: undefined, websockets: 0 });
  expect(totalLoad([counting(1, 2), adapt({ stop() {} }), counting(3, 4)])).toEqual({ requests: 4, websockets: 6 });
});
