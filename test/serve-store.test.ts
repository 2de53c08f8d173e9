import { afterEach, describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Message, openReceiver, type Receiver } from "../src/receiver/receiver.ts";
import { BUN, ROOT, temporaryDirectory } from "./support/command.ts";
import { freePort, tcpListener, unixListener } from "./support/listeners.ts";
import { endServers, type Started, start, watch } from "./support/serve.ts";

afterEach(endServers);

const text = async (url: string, init: BunFetchRequestInit = {}) => (await fetch(url, init)).text();
const refused = (url: string) => text(url).catch(({ code }) => code.replace(/^ConnectionRefused$/, "ECONNREFUSED"));

/** A program with servers of these options. It ends them on SIGTERM. */
function servers(...all: readonly string[]): string {
  return `
    const servers = [];
    process.on("SIGTERM", async () => { for (const server of servers) await server.stop(); process.exit(); });
    for (const options of [${all.map((options) => `{ ${options} }`).join()}]) {
      servers.push(await serve({ ...options, fetch: () => new Response("x") }));
    }
    for (const server of servers) console.log(JSON.stringify(server.address));`;
}

/** What the manager has in its fd store: it keeps what a program has sent until the test is over. */
interface Store extends Disposable {
  fds: number[];
  names: string[];
  /** As LISTEN_FDNAMES. */
  env: Record<string, string>;
}

async function end({ child }: Started): Promise<void> {
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
}

/** Runs servers once, and returns where they listened, and what they have stored. */
async function firstStart(...all: readonly string[]): Promise<Store & { addresses: (string | undefined)[] }> {
  using receiver = openReceiver();
  const program = start(servers(...all), [], { ...receiver.env, FDSTORE: "9" });
  const stored: Message[] = [];
  for (const _ of all) stored.push(await receiver.waitFor(({ text }) => text.startsWith("FDSTORE=1\n")));
  const addresses: (string | undefined)[] = [];
  for (const _ of all) addresses.push(await program.line());
  await end(program);
  const names = stored.map(({ text }) => /^FDNAME=(.*)$/m.exec(text)?.[1] ?? "");
  return {
    addresses,
    fds: stored.flatMap(({ fds }) => fds),
    names,
    env: { LISTEN_FDNAMES: names.join(":") },
    [Symbol.dispose]() {
      for (const message of stored) message[Symbol.dispose]();
    },
  };
}

const removalOf = (name: string | undefined) => (message: Message) =>
  message.text === `FDSTOREREMOVE=1\nFDNAME=${name}`;
const storeMessages = (receiver: Receiver) =>
  receiver.history.map(({ text }) => text).filter((text) => text.startsWith("FDSTORE"));

describe("the fd store gives serve() back its socket for", () => {
  test.each([
    "",
    "hostname: '0.0.0.0'",
    "hostname: '::'",
    "hostname: '::1'",
    "hostname: 'localhost'",
    "hostname: '::ffff:127.0.0.1'",
    "hostname: '::', ipv6Only: true",
    "name: 'the name'",
  ])("a port: { %s }", async (options) => {
    const where = `port: ${freePort()}${options && `, ${options}`}`;
    using store = await firstStart(where);
    using receiver = openReceiver();
    const program = start(servers(where), store.fds, { ...receiver.env, ...store.env, FDSTORE: "1" });
    // Bun writes a mapped address differently from how the kernel has it.
    const { address: _, ...its } = JSON.parse(store.addresses[0] ?? "");
    expect(JSON.parse((await program.line()) ?? "")).toMatchObject(its);
    await end(program);
    expect(storeMessages(receiver)).toEqual([]);
  });

  test("any free port, which stays the same one", async () => {
    using store = await firstStart("");
    const program = start(servers(""), store.fds, store.env);
    expect(await program.line()).toBe(store.addresses[0]);
  });

  test("each of two servers without a name", async () => {
    const places = [`port: ${freePort()}`, `port: ${freePort()}`];
    using store = await firstStart(...places);
    const program = start(servers(...places), store.fds.toReversed(), {
      LISTEN_FDNAMES: store.names.toReversed().join(":"),
    });
    expect([await program.line(), await program.line()]).toEqual(store.addresses);
  });

  test("an abstract socket", async () => {
    const where = `unix: "\\0sd-notify-test-${process.pid}"`;
    using store = await firstStart(where);
    using receiver = openReceiver();
    const program = start(servers(where), store.fds, { ...receiver.env, ...store.env });
    expect(await program.line()).toBe(store.addresses[0]);
    expect(storeMessages(receiver)).toEqual([]);
  });
});

describe("serve() listens where the program asks it to, and gives up what it had before:", () => {
  const ports = { A: freePort(), B: freePort() };
  const at = (options: string) => options.replace(/[AB]$/, (name) => `${ports[name as "A" | "B"]}`);

  test.each([
    ["port: A", "port: B", { address: "127.0.0.1", family: "IPv4", port: ports.B }],
    ["port: A", "hostname: '0.0.0.0', port: A", { address: "0.0.0.0", family: "IPv4", port: ports.A }],
    ["hostname: '0.0.0.0', port: A", "port: A", { address: "127.0.0.1", family: "IPv4", port: ports.A }],
    ["port: A", "hostname: '::', port: A", { address: "::", family: "IPv6", port: ports.A }],
    ["hostname: '::', port: A", "hostname: '::1', port: A", { address: "::1", family: "IPv6", port: ports.A }],
    ["hostname: '::', port: A", "port: A", { address: "127.0.0.1", family: "IPv4", port: ports.A }],
    ["port: A", "hostname: '127.0.0.2', port: A", { address: "127.0.0.2", family: "IPv4", port: ports.A }],
    ["port: 0", "port: B", { address: "127.0.0.1", family: "IPv4", port: ports.B }],
    ["name: 'one', port: A", "name: 'two', port: A", { address: "127.0.0.1", family: "IPv4", port: ports.A }],
  ])("{ %s }, then { %s }", async (before, after, address) => {
    using store = await firstStart(at(before));
    using receiver = openReceiver();
    const program = start(servers(at(after)), store.fds, { ...receiver.env, ...store.env, FDSTORE: "1" });
    expect(JSON.parse((await program.line()) ?? "")).toEqual(address);
    await receiver.waitFor(removalOf(store.names[0]));
    using _new = await receiver.waitFor(({ text }) => text.startsWith("FDSTORE=1\n"));
    const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
    const url = `http://${host.replace(/^0\.0\.0\.0$/, "127.0.0.1").replace("[::]", "[::1]")}:${address.port}/`;
    expect(await text(url)).toBe("x");
    // The test still has the old socket open, as PID 1 might.
    const { port } = JSON.parse(store.addresses[0] ?? "");
    if (port !== address.port) expect(await refused(`http://127.0.0.1:${port}/`)).toBe("ECONNREFUSED");
    await end(program);
  });

  test("a port, then a path", async () => {
    using directory = temporaryDirectory();
    const unix = join(directory.path, "http");
    using store = await firstStart(`port: ${ports.A}`);
    using receiver = openReceiver();
    const program = start(servers(`unix: "${unix}"`), store.fds, { ...receiver.env, ...store.env, FDSTORE: "1" });
    expect(await program.line()).toBe(JSON.stringify(unix));
    await receiver.waitFor(removalOf(store.names[0]));
    expect(await text("http://localhost/", { unix })).toBe("x");
  });

  test("a server that the program has no more, some seconds later, so that there is room for its others", async () => {
    const places = [`port: ${freePort()}`, `name: "api", port: ${freePort()}`];
    using store = await firstStart(...places);
    using receiver = openReceiver();
    const later = `name: "api", port: ${freePort()}`;
    // Without $FDSTORE, as before systemd 254, it is not known that there is none.
    const program = start(servers(places[0] ?? "", later), store.fds, { ...receiver.env, ...store.env });
    expect(await program.line()).toBe(store.addresses[0]);
    using own = await receiver.waitFor(({ text }) => text.startsWith("FDSTORE=1\n"));
    await receiver.waitFor(removalOf(store.names[1]), { timeoutMs: 9000 });
    using _again = await receiver.waitFor(({ text }) => text === own.text);
    const { port } = JSON.parse(store.addresses[1] ?? "");
    expect(await refused(`http://127.0.0.1:${port}/`)).toBe("ECONNREFUSED");
    expect(storeMessages(receiver).filter((text) => text.startsWith("FDSTOREREMOVE"))).toHaveLength(1);
    await end(program);
  }, 15_000);

  test("not before it has opened the other one", async () => {
    using store = await firstStart(`port: ${freePort()}`);
    using receiver = openReceiver();
    using taken = tcpListener();
    const where = `port: ${new URL(taken.url).port}`;
    const program = start(servers(where), store.fds, { ...receiver.env, ...store.env, FDSTORE: "1" });
    expect(await program.child.exited).toBe(1);
    expect((await program.errors).join("\n")).toContain("EADDRINUSE");
    expect(storeMessages(receiver)).toEqual([]);
    // A client waits there for the next start, whose port may be right.
    const { port } = JSON.parse(store.addresses[0] ?? "");
    const waiting = text(`http://127.0.0.1:${port}/`);
    await start(servers(`port: ${port}`), store.fds, store.env).line();
    expect(await waiting).toBe("x");
  });

  test("not a socket whose server has stopped, which the next start needs", async () => {
    const places = [`port: ${freePort()}`, `name: "api", port: ${freePort()}`];
    using store = await firstStart(...places);
    using receiver = openReceiver();
    const source = `${servers(...places)} await servers[1].stop(); await Bun.sleep(5500); console.log("later");`;
    const program = start(source, store.fds, { ...receiver.env, ...store.env });
    expect([await program.line(), await program.line(), await program.line()]).toEqual([...store.addresses, "later"]);
    expect(storeMessages(receiver)).toEqual([]);
  }, 15_000);
});

test.each([
  [100, "is served by it, and nothing is given up"],
  [5500, "was given up by then, and is opened again"],
])(
  "a socket that a worker asks for after %d ms %s",
  async (afterMs, what) => {
    const [own, its] = [`port: ${freePort()}`, `name: "worker", port: ${freePort()}`];
    using store = await firstStart(own, its);
    using directory = temporaryDirectory();
    using receiver = openReceiver();
    const worker = join(directory.path, "worker.ts");
    writeFileSync(
      worker,
      `import { serve } from ${JSON.stringify(join(ROOT, "src/index.ts"))};
     await Bun.sleep(${afterMs});
     console.log(JSON.stringify((await serve({ ${its}, fetch: () => new Response("worker") })).address));
     await Bun.sleep(${5800 - afterMs});
     console.log("later");`,
    );
    const source = `new Worker(${JSON.stringify(worker)}); ${servers(own)}`;
    const program = start(source, store.fds, { ...receiver.env, ...store.env, FDSTORE: "2" });
    expect([await program.line(), await program.line()]).toEqual(store.addresses);
    expect(await program.line()).toBe("later");
    const { port } = JSON.parse(store.addresses[1] ?? "");
    expect(await text(`http://127.0.0.1:${port}/`)).toBe("worker");
    const isGivenUp = what.includes("given up by then");
    expect(storeMessages(receiver).includes(`FDSTOREREMOVE=1\nFDNAME=${store.names[1]}`)).toBe(isGivenUp);
    expect(storeMessages(receiver).includes(`FDSTORE=1\nFDNAME=${store.names[1]}`)).toBe(isGivenUp);
  },
  15_000,
);

describe("serve() with a .socket unit", () => {
  test("serves the unit's socket, whatever port the program names, and gives up its own", async () => {
    const where = `port: ${freePort()}`;
    using store = await firstStart(where);
    using socket = tcpListener();
    using receiver = openReceiver();
    const names = { LISTEN_FDNAMES: ["http", ...store.names].join(":") };
    const program = start(servers(where), [socket.fd, ...store.fds], { ...receiver.env, ...names });
    expect(JSON.parse((await program.line()) ?? "")).toMatchObject({ port: Number(new URL(socket.url).port) });
    await receiver.waitFor(removalOf(store.names[0]), { timeoutMs: 9000 });
    expect(await text(socket.url)).toBe("x");
    expect(storeMessages(receiver)).toHaveLength(1);
  }, 15_000);

  test("serves the only socket of a unit, as a first start would, although it has another name", async () => {
    const where = `port: ${freePort()}`;
    using store = await firstStart(where);
    using socket = tcpListener();
    const names = { LISTEN_FDNAMES: ["app.socket", ...store.names].join(":") };
    const program = start(servers(where), [socket.fd, ...store.fds], names);
    expect(JSON.parse((await program.line()) ?? "")).toMatchObject({ port: Number(new URL(socket.url).port) });
  });

  test("gives each server its own: the unit's by name, and the stored one by its place", async () => {
    const where = `port: ${freePort()}`;
    using store = await firstStart(where);
    using socket = tcpListener();
    const names = { LISTEN_FDNAMES: ["admin", ...store.names].join(":") };
    const program = start(servers("name: 'admin'", where), [socket.fd, ...store.fds], names);
    expect(JSON.parse((await program.line()) ?? "")).toMatchObject({ port: Number(new URL(socket.url).port) });
    expect(await program.line()).toBe(store.addresses[0]);
  });
});

test("serve() gives up no stored socket of another server, which is on the same port of another address", async () => {
  const port = freePort();
  const [one, two] = [`name: "one", port: ${port}`, `name: "two", hostname: "127.0.0.2", port: ${port}`];
  using store = await firstStart(two);
  using receiver = openReceiver();
  const program = start(servers(one, two), store.fds, { ...receiver.env, ...store.env });
  expect(JSON.parse((await program.line()) ?? "")).toMatchObject({ address: "127.0.0.1" });
  expect(await program.line()).toBe(store.addresses[0]);
  await end(program);
  expect(storeMessages(receiver)).toHaveLength(1);
});

describe("a stored unix socket", () => {
  const where = (unix: string) => `unix: ${JSON.stringify(unix)}`;

  test.each(["is removed", "is a file now", "is a dead socket's now", "is in a directory that is gone"])(
    "whose path %s makes room for a new one",
    async (what) => {
      using directory = temporaryDirectory();
      const unix = join(directory.path, what.endsWith("gone") ? "run" : "", "http");
      if (what.endsWith("gone")) Bun.spawnSync(["mkdir", join(directory.path, "run")]);
      using store = await firstStart(where(unix));
      rmSync(unix);
      if (what.includes("file")) writeFileSync(unix, "kept");
      if (what.includes("dead")) unixListener(unix)[Symbol.dispose]();
      if (what.endsWith("gone")) rmSync(join(directory.path, "run"), { recursive: true });
      using receiver = openReceiver();
      const program = start(servers(where(unix)), store.fds, { ...receiver.env, ...store.env, FDSTORE: "1" });
      if (what.includes("file") || what.endsWith("gone")) {
        // It says why it can't, which is better than to serve where no client gets.
        expect(await program.child.exited).toBe(1);
        expect((await program.errors).join("\n")).toContain(what.includes("file") ? "EADDRINUSE" : "ENOENT");
        return;
      }
      expect(await program.line()).toBe(JSON.stringify(unix));
      expect(await text("http://localhost/", { unix })).toBe("x");
      using _new = await receiver.waitFor(({ text }) => text.startsWith("FDSTORE=1\n"));
      expect(storeMessages(receiver)).toEqual([
        `FDSTOREREMOVE=1\nFDNAME=${store.names[0]}`,
        `FDSTORE=1\nFDNAME=${store.names[0]}`,
      ]);
      await end(program);
    },
  );

  test("whose path a neighbour has taken is not served, and the neighbour's path is left alone", async () => {
    using directory = temporaryDirectory();
    const unix = join(directory.path, "http");
    using store = await firstStart(where(unix));
    rmSync(unix);
    using neighbour = Bun.serve({ unix, fetch: () => new Response("neighbour") });
    const program = start(servers(where(unix)), store.fds, store.env);
    expect(await program.child.exited).toBe(1);
    expect((await program.errors).join("\n")).toContain("EADDRINUSE");
    expect(await text("http://localhost/", { unix })).toBe("neighbour");
    expect(neighbour.pendingRequests).toBe(0);
  });
});

test("serve() opens again where a server was stopped, although the manager still has that socket", async () => {
  using directory = temporaryDirectory();
  using receiver = openReceiver();
  const places = [`port: ${freePort()}`, `name: "api", unix: "${join(directory.path, "http")}"`];
  const source = `${servers(...places)}
    for (const server of servers) await server.stop();
    for (const options of [${places.map((place) => `{ ${place} }`)}]) {
      const server = await serve({ ...options, fetch: () => new Response("again") });
      console.log(JSON.stringify(server.address), await (await fetch(new URL("/", "http://localhost:" + (server.port ?? 1)), { unix: options.unix })).text());
    }`;
  const program = start(source, [], { ...receiver.env, FDSTORE: "4" });
  const before = [await program.line(), await program.line()];
  expect([await program.line(), await program.line()]).toEqual(before.map((address) => `${address} again`));
});

test("serve() gives new handlers to its own server with bun --hot, and goes to another port that is asked for", async () => {
  using directory = temporaryDirectory();
  using receiver = openReceiver();
  const file = join(directory.path, "server.ts");
  const [port, other] = [freePort(), freePort()];
  const write = (answer: string, port: number) =>
    writeFileSync(
      file,
      `import { serve } from ${JSON.stringify(join(ROOT, "src/index.ts"))};
       const server = await serve({ port: ${port}, fetch: () => new Response("${answer}") });
       console.log("${answer}", server.port);`,
    );
  write("one", port);
  const env = { PATH: process.env.PATH ?? "", ...receiver.env, FDSTORE: "1" };
  const { line } = watch(Bun.spawn([BUN, "--hot", file], { env, stdio: ["ignore", "pipe", "pipe"] }));
  expect(await line()).toBe(`one ${port}`);
  write("two", port);
  expect(await line()).toBe(`two ${port}`);
  expect(await text(`http://127.0.0.1:${port}/`)).toBe("two");
  expect(storeMessages(receiver)).toHaveLength(1);
  write("three", other);
  expect(await line()).toBe(`three ${other}`);
  expect(await text(`http://127.0.0.1:${other}/`)).toBe("three");
});

test("serve() refuses a name that the fd store would refuse, without a service manager too", async () => {
  const program = start(
    `await serve({ name: "a:b", fetch() {} }).catch(({ name, message }) => console.log(name, message));`,
  );
  expect(await program.line()).toStartWith('TypeError Cannot serve: "a:b" is no name for a socket: use ASCII');
});
