import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { openReceiver, type Receiver } from "../src/receiver/receiver.ts";
import { BUN, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";

const children: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.splice(0).map(({ exited }) => exited));
});

/** Starts an example as the service manager does, with passed fds. */
function start(name: string, receiver: Receiver, env: Record<string, string> = {}, fds: number[] = []) {
  const listen: Record<string, string> = fds.length > 0 ? { LISTEN_FDS: `${fds.length}` } : {};
  const child = Bun.spawn(["sh", "-c", `LISTEN_PID=$$ exec ${BUN} examples/${name}.ts`], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", ...receiver.env, ...listen, ...env },
    stdio: ["ignore", "pipe", "pipe", ...fds] as never,
  });
  children.push(child);
  return child;
}

describe("examples/server.ts", () => {
  test("starts, reloads, fails to reload, and stops when the requests in flight are answered", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const configuration = join(directory.path, "server.json");
    await Bun.write(configuration, '{ "greeting": "one" }');
    const child = start("server", receiver, { CONFIGURATION: configuration });
    const { state } = await receiver.waitFor({ ready: true });
    const url = /http:\S+\//.exec(state.status ?? "")?.[0] ?? "";
    expect(await (await fetch(url)).text()).toBe("one\n");

    await Bun.write(configuration, '{ "greeting": "two" }');
    child.kill("SIGHUP");
    await receiver.waitFor({ reloading: true });
    await receiver.waitFor({ ready: true });
    expect(await (await fetch(url)).text()).toBe("two\n");

    await Bun.write(configuration, "nonsense");
    child.kill("SIGHUP");
    await receiver.waitFor({ reloading: true });
    expect((await receiver.waitFor({ ready: true })).state.status).toStartWith(
      "Reload failed, the old configuration stays: ",
    );
    expect(await (await fetch(url)).text()).toBe("two\n");

    const answer = fetch(`${url}?ms=300`);
    await Bun.sleep(50);
    child.kill("SIGTERM");
    expect((await receiver.waitFor({ stopping: true })).state.status).toBe("Stopping: 1 request in flight");
    expect(await (await answer).text()).toBe("two\n");
    expect(await child.exited).toBe(0);
  });

  test("pings while it answers, and misses its pings when its event loop is frozen", async () => {
    using receiver = openReceiver();
    const child = start("server", receiver, { WATCHDOG_USEC: "200000" });
    await receiver.waitFor({ ready: true });
    await receiver.waitFor({ watchdog: true });
    await receiver.waitFor({ watchdog: true });
    child.kill("SIGSTOP");
    for (;;) if (!(await receiver.next({ timeoutMs: 400 }).catch(() => undefined))) break;
    child.kill("SIGCONT");
    await receiver.waitFor({ watchdog: true });
  });
});

test("examples/worker.ts keeps its count across a restart, and pings while it works", async () => {
  using receiver = openReceiver();
  const env = { WATCHDOG_USEC: "200000", INTERVAL_MS: "20" };
  const child = start("worker", receiver, env);
  expect((await receiver.waitFor({ ready: true })).state.status).toBe("0 jobs done before");
  await receiver.waitFor({ watchdog: true });
  using stored = await receiver.waitFor(({ text, fds }) => text === "FDSTORE=1\nFDNAME=jobs" && fds.length === 1);
  const { state } = await receiver.waitFor(({ state }) => /^[1-9]\d* jobs done$/.test(state.status ?? ""));
  child.kill("SIGTERM");
  await receiver.waitFor({ stopping: true });
  expect(await child.exited).toBe(0);
  start("worker", receiver, { ...env, LISTEN_FDNAMES: "jobs" }, stored.fds);
  const { status = "" } = (await receiver.waitFor({ ready: true })).state;
  // It may have gone on until the signal came.
  expect(status).toEndWith(" jobs done before");
  expect(Number.parseInt(status, 10)).toBeGreaterThanOrEqual(Number.parseInt(state.status ?? "", 10));
});

test("examples/socket-activated.ts serves on the socket that it was passed, one process after another", async () => {
  using receiver = openReceiver();
  const socket = Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } });
  const { fd } = socket as unknown as { fd: number };
  const fds = [fd];
  const first = start("socket-activated", receiver, { LISTEN_FDNAMES: "http" }, fds);
  const url = `http://127.0.0.1:${socket.port}/`;
  expect((await receiver.waitFor({ ready: true })).state.status).toBe(`Listening on ${url}`);
  const second = start("socket-activated", receiver, { LISTEN_FDNAMES: "http" }, fds);
  await receiver.waitFor({ ready: true });
  socket.stop();
  first.kill("SIGTERM");
  expect(await first.exited).toBe(0);
  expect(await (await fetch(url)).text()).toBe(`Hello from process ${second.pid}\n`);
});

const noVerify = missing("systemd-analyze");
test.skipIf(Boolean(noVerify))(titled("the unit files have no mistake that systemd finds", noVerify), async () => {
  using directory = temporaryDirectory();
  const units = ["server.service", "worker.service", "socket-activated.service", "socket-activated.socket"];
  for (const unit of units) {
    // A program that is there, and a type that old versions know as well.
    const text = (await Bun.file(join(ROOT, "examples", unit)).text())
      .replaceAll("/usr/local/bin/bun", "/bin/sh")
      .replace("notify-reload", "notify");
    await Bun.write(join(directory.path, unit), text);
  }
  const { code, stderr } = await run([
    "systemd-analyze",
    "verify",
    "--man=no",
    ...units.map((unit) => join(directory.path, unit)),
  ]);
  const mistakes = stderr.split("\n").filter((line) => units.some((unit) => line.includes(join(directory.path, unit))));
  expect({ code: typeof code, mistakes }).toEqual({ code: "number", mistakes: [] });
});
