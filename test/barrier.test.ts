import { describe, expect, test } from "bun:test";
import { barrier, barrierSync, notify, SystemError } from "../src/index.ts";
import { isRoot, newFds, noNewPipes, openFds, runModule, titled } from "./support/command.ts";
import { openReceiver } from "./support/receiver.ts";

const S_IFMT = 0o170000;
const S_IFIFO = 0o010000;

describe.each([
  ["barrier()", barrier],
  ["barrierSync()", async (options?: Parameters<typeof barrier>[0]) => barrierSync(options)],
])("%s", (_, wait) => {
  test("sends BARRIER=1 alone with the end of a pipe, and resolves when the receiver has closed it", async () => {
    await using receiver = await openReceiver();
    const options = { socket: receiver.address };
    notify({ ready: true }, options);
    const before = openFds();
    expect(await wait(options)).toBe(true);
    await noNewPipes(before);
    expect((await receiver.next()).text).toBe("READY=1");
    const { text, pid, fds } = await receiver.next();
    expect({ text, pid }).toEqual({ text: "BARRIER=1", pid: process.pid });
    expect(fds.map(({ mode }) => mode & S_IFMT)).toEqual([S_IFIFO]);
  });

  test("returns false when unsupervised", async () => {
    expect(await wait()).toBe(false);
    expect(await wait({ timeoutMs: 0 })).toBe(false);
  });

  test("rejects with ETIMEDOUT when nothing answers in time, and leaves no fd behind", async () => {
    await using receiver = await openReceiver(undefined, { hold: true });
    notify({ ready: true }, { socket: receiver.address });
    const before = openFds();
    for (const timeoutMs of [0, 50]) {
      const start = performance.now();
      const error = await wait({ socket: receiver.address, timeoutMs }).catch((error) => error);
      expect(performance.now() - start).toBeGreaterThanOrEqual(timeoutMs - 1);
      expect(error).toBeInstanceOf(SystemError);
      expect(error).toMatchObject({ code: "ETIMEDOUT", errno: 110, syscall: "poll", address: receiver.address });
      expect(error.message).toContain(`did not answer the barrier within ${timeoutMs} ms`);
    }
    await noNewPipes(before);
  });

  test("ends when the manager dies", async () => {
    const receiver = await openReceiver(undefined, { hold: true });
    const killed = receiver.next().then(() => receiver.close());
    // The blocking one needs another process to kill the receiver.
    if (wait !== barrier) Bun.spawn(["sh", "-c", `sleep 0.1; kill -9 ${receiver.pid}`]);
    expect(await wait({ socket: receiver.address, timeoutMs: Number.POSITIVE_INFINITY })).toBe(true);
    await killed;
  });

  test("throws what the caller and the system have against it, and leaves no fd behind", async () => {
    const before = openFds();
    await expect(wait({ timeoutMs: -1 })).rejects.toThrow(RangeError);
    await expect(wait({ timeoutMs: Number.NaN })).rejects.toThrow(RangeError);
    await expect(wait({ timeoutMs: "5" as never })).rejects.toThrow(TypeError);
    await expect(wait({ timeout: 5 } as never)).rejects.toThrow(TypeError);
    await expect(wait({ pid: 0 })).rejects.toThrow(RangeError);
    await expect(wait({ socket: "nowhere" })).rejects.toThrow(SyntaxError);
    await expect(wait({ socket: "@sd-notify-nobody" })).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await noNewPipes(before);
  });

  test.skipIf(!isRoot)(titled("is from the same process as the message", !isRoot && "not root"), async () => {
    await using receiver = await openReceiver();
    const options = { socket: receiver.address, pid: receiver.pid };
    notify({ ready: true }, options);
    await wait(options);
    expect((await receiver.next()).pid).toBe(receiver.pid);
    expect(await receiver.next()).toMatchObject({ text: "BARRIER=1", pid: receiver.pid });
  });
});

test("barrierSync() gives up in time while the manager's queue is full", async () => {
  await using receiver = await openReceiver();
  receiver.pause();
  const start = performance.now();
  let code: string | undefined;
  for (let i = 0; i < 600 && performance.now() - start < 5000; i++) {
    const begin = performance.now();
    try {
      barrierSync({ socket: receiver.address, timeoutMs: i < 599 ? 0 : 50 });
    } catch (error) {
      code = (error as SystemError).code;
    }
    expect(performance.now() - begin).toBeLessThan(1000);
  }
  expect(code).toBe("ETIMEDOUT");
});

describe("barrier()", () => {
  test("lets the event loop go on", async () => {
    await using receiver = await openReceiver(undefined, { hold: true });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await barrier({ socket: receiver.address, timeoutMs: 200 }).catch(() => {});
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(10);
  });

  test("lets the event loop go on while the manager's queue is full, and gives up in time", async () => {
    await using receiver = await openReceiver();
    receiver.pause();
    // Barriers, because they do not block; each leaves one message in the queue until there is no room.
    const before = openFds();
    let error: SystemError;
    let sent = 0;
    do {
      error = await barrier({ socket: receiver.address, timeoutMs: 0 }).catch((error) => error);
      sent++;
    } while (error.code === "ETIMEDOUT" && sent < 20);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    error = await barrier({ socket: receiver.address, timeoutMs: 100 }).catch((error) => error);
    expect(error.code).toBe("ETIMEDOUT");
    expect(ticks).toBeGreaterThan(5);
    expect(newFds(before).length).toBeLessThanOrEqual(1);
    const answered = barrier({ socket: receiver.address, timeoutMs: 5000 });
    receiver.resume();
    expect(await answered).toBe(true);
    clearInterval(timer);
  });

  test("keeps a program alive that has nothing else to wait for", async () => {
    await using receiver = await openReceiver(undefined, { hold: true });
    const source = `
      import { barrier } from "../src/index.ts";
      console.log(await barrier({ timeoutMs: Infinity }));`;
    const result = runModule(source, { env: { NOTIFY_SOCKET: receiver.address } });
    await receiver.next();
    await receiver.close();
    expect(await result).toMatchObject({ stdout: "true\n", stderr: "", code: 0 });
  });
});
