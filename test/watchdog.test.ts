import { describe, expect, test } from "bun:test";
import { openReceiver } from "../src/receiver/receiver.ts";
import { ROOT, runModule } from "./support/command.ts";

/** Runs a module with a watchdog of 100 ms, and returns what it sent until it ended, with the times in milliseconds. */
async function pings(source: string, env: Record<string, string> = {}) {
  using receiver = openReceiver();
  const prelude = `import { notify, startWatchdog, watchdogTimeoutMs } from "../src/index.ts";\n`;
  const result = await runModule(prelude + source, { env: { WATCHDOG_USEC: "100000", ...receiver.env, ...env } });
  const end = Bun.spawn([`${ROOT}dist/sd-notify`, "--no-block", "X_END=1"], { env: receiver.env });
  await receiver.waitFor({ extra: { X_END: 1 } });
  await end.exited;
  const messages = receiver.history.slice(0, -1);
  const start = messages[0]?.receivedUsec ?? 0;
  return {
    ...result,
    texts: messages.map(({ text }) => text),
    times: messages.map(({ receivedUsec }) => (receivedUsec - start) / 1000),
  };
}

describe("watchdogTimeoutMs()", () => {
  const ask = async (env: Record<string, string>) => {
    const source = `
      import { watchdogTimeoutMs } from "../src/index.ts";
      if (process.env.WATCHDOG_PID === "me") process.env.WATCHDOG_PID = String(process.pid);
      try { console.log(watchdogTimeoutMs()); } catch (error) { console.log(error.name, error.message); }`;
    return (await runModule(source, { env })).stdout.trimEnd();
  };

  test("is $WATCHDOG_USEC where it is meant for this process", async () => {
    expect(await ask({})).toBe("undefined");
    expect(await ask({ WATCHDOG_USEC: "20000000" })).toBe("20000");
    expect(await ask({ WATCHDOG_USEC: "1" })).toBe("0.001");
    expect(await ask({ WATCHDOG_USEC: "500", WATCHDOG_PID: "me" })).toBe("0.5");
    expect(await ask({ WATCHDOG_USEC: "500", WATCHDOG_PID: "1" })).toBe("undefined");
  });

  test("takes what a uint64_t holds: 2^64 - 1 is systemd's infinity", async () => {
    expect(await ask({ WATCHDOG_USEC: "18446744073709551615" })).toBe("18446744073709550");
    expect(await ask({ WATCHDOG_USEC: "9007199254740993" })).toBe("9007199254740.992");
    expect(await ask({ WATCHDOG_USEC: "18446744073709551616" })).toStartWith("SyntaxError");
  });

  test("throws a SyntaxError that quotes what can't be read", async () => {
    for (const value of ["0", "", "-1", "1.5", "5s", "99999999999999999999"]) {
      expect(await ask({ WATCHDOG_USEC: value })).toBe(
        `SyntaxError Cannot use $WATCHDOG_USEC "${value}": it must be a number from 1`,
      );
    }
    expect(await ask({ WATCHDOG_USEC: "5", WATCHDOG_PID: "x" })).toStartWith("SyntaxError Cannot use $WATCHDOG_PID");
  });
});

describe("startWatchdog()", () => {
  test("pings at once and at half the time, and does not keep the program alive", async () => {
    const { texts, times } = await pings(`console.log(startWatchdog().intervalMs); await Bun.sleep(330);`);
    expect(texts.length).toBeWithin(6, 9);
    expect(new Set(texts)).toEqual(new Set(["WATCHDOG=1"]));
    for (const [i, time] of times.entries()) expect(time).toBeWithin(i * 50 - 15, i * 50 + 45);
    const { texts: alone } = await pings("startWatchdog();");
    expect(alone).toEqual(["WATCHDOG=1"]);
  });

  test("is undefined where there is no watchdog for this process, and sends nothing", async () => {
    for (const env of [{ WATCHDOG_USEC: "100000", WATCHDOG_PID: "1" }, { NOTIFY_SOCKET: "" }]) {
      if (env.NOTIFY_SOCKET === "") continue;
      expect(await pings("console.log(startWatchdog()); await Bun.sleep(120)", env as never)).toMatchObject({
        stdout: "undefined\n",
        texts: [],
      });
    }
    const source = `import { startWatchdog } from "../src/index.ts"; console.log(startWatchdog());`;
    expect((await runModule(source, { env: { WATCHDOG_USEC: "100000" } })).stdout).toBe("undefined\n");
    expect((await runModule(source, { env: { NOTIFY_SOCKET: "@x" } })).stdout).toBe("undefined\n");
  });

  test("has one timer, however often it is called, and the last check", async () => {
    const { texts } = await pings(`
      for (let i = 0; i < 20; i++) startWatchdog({ check: () => { throw new Error("an old check") }, onError: () => {} });
      startWatchdog({ check: () => true });
      await Bun.sleep(230);`);
    expect(texts.length).toBeWithin(4, 7);
  });

  test("pings on when the variables are gone from the environment", async () => {
    const { texts } = await pings(`
      startWatchdog();
      for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC"]) delete process.env[name];
      await Bun.sleep(130);`);
    expect(texts.length).toBeGreaterThanOrEqual(3);
  });

  test.each([
    ["returns false", "() => false", "the watchdog's check says that the service is not healthy"],
    ["resolves to false", "async () => false", "the watchdog's check says that the service is not healthy"],
    ["throws", "() => { throw new Error('no database') }", "no database"],
    ["rejects", "async () => { throw new Error('no database') }", "no database"],
    ["hangs", "() => new Promise(() => {})", "the watchdog's check has not answered since the last ping"],
  ])("sends no ping when the check %s, and says so once", async (_, check, why) => {
    const { texts, stderr } = await pings(`startWatchdog({ check: ${check} }); await Bun.sleep(180);`);
    expect(texts).toEqual([]);
    expect(stderr).toBe(`sd-notify: ${why}\n`);
  });

  test("sends WATCHDOG=trigger when a check fails, when asked to", async () => {
    const { texts } = await pings(
      `startWatchdog({ check: () => false, trigger: true, onError: () => {} }); await Bun.sleep(20);`,
    );
    expect(texts).toEqual(["WATCHDOG=trigger"]);
  });

  test("misses its pings while the event loop is blocked", async () => {
    const { times } = await pings(
      `startWatchdog(); await Bun.sleep(70); const end = Date.now() + 400; while (Date.now() < end); await Bun.sleep(70);`,
    );
    const gaps = times.slice(1).map((time, i) => time - (times[i] as number));
    // The manager's time of 100 ms is over long before the next one comes.
    expect(Math.max(...gaps)).toBeGreaterThan(300);
  });

  test("survives that nobody listens, and says so once a minute at most", async () => {
    const source = `import { startWatchdog } from "../src/index.ts"; startWatchdog(); await Bun.sleep(200); console.log("alive");`;
    const { stdout, stderr } = await runModule(source, {
      env: { WATCHDOG_USEC: "50000", NOTIFY_SOCKET: "@sd-notify-nobody" },
    });
    expect(stdout).toBe("alive\n");
    expect(stderr).toBe("sd-notify: connect @sd-notify-nobody: Connection refused\n");
  });

  test("stops by its handle, and takes a time that no timer takes", async () => {
    const { texts } = await pings(`const watchdog = startWatchdog(); watchdog.stop(); await Bun.sleep(120);`);
    expect(texts).toEqual(["WATCHDOG=1"]);
    const long = await pings(`console.log(startWatchdog().intervalMs); await Bun.sleep(20);`, {
      WATCHDOG_USEC: "8000000000000",
    });
    expect(long).toMatchObject({ stdout: "2147483647\n", texts: ["WATCHDOG=1"] });
  });

  test.each([
    ["succeeds", "() => new Promise((resolve) => setTimeout(resolve, 60, true))"],
    ["fails", "() => new Promise((resolve) => setTimeout(resolve, 60, false))"],
    ["throws", "async () => { await Bun.sleep(60); throw new Error('no database'); }"],
  ])("says nothing after stop(), also when a check that was asked before %s", async (_, check) => {
    const { texts, stderr } = await pings(
      `const watchdog = startWatchdog({ check: ${check}, trigger: true });
       setTimeout(() => watchdog.stop(), 20);
       await Bun.sleep(150);`,
    );
    expect({ texts, stderr }).toEqual({ texts: [], stderr: "" });
  });

  test("pings at half of timeoutMs, which counts without WatchdogSec= too", async () => {
    for (const env of [{ WATCHDOG_USEC: "60000000" }, { WATCHDOG_USEC: "100000", WATCHDOG_PID: "1" }]) {
      const { stdout, texts } = await pings(
        `notify({ watchdogTimeoutMs: 80 });
         console.log(startWatchdog({ timeoutMs: 80 }).intervalMs);
         await Bun.sleep(230);`,
        env as never,
      );
      expect(stdout).toBe("40\n");
      expect(texts[0]).toBe("WATCHDOG_USEC=80000");
      expect(texts.length).toBeWithin(5, 9);
    }
  });

  test("has one timer across the evaluations of bun --hot", async () => {
    const { texts } = await pings(`
      const { startWatchdog: other } = await import("../src/watchdog.ts?another");
      if (other === startWatchdog) throw new Error("the same module");
      startWatchdog();
      other();
      startWatchdog();
      await Bun.sleep(230);`);
    expect(texts.length).toBeWithin(6, 9);
  });

  test.each(["18446744073709551615", "9000000000000000"])("does not spin with %s microseconds", async (usec) => {
    const { stdout, texts } = await pings(`startWatchdog(); await Bun.sleep(100);`, { WATCHDOG_USEC: usec });
    expect({ stdout, texts }).toEqual({ stdout: "", texts: ["WATCHDOG=1"] });
  });

  test("refuses options that can't be", async () => {
    for (const options of ["{ check: true }", "{ onError: 1 }", "{ interval: 5 }", "{ timeoutMs: '5' }"]) {
      const { stdout } = await pings(`try { startWatchdog(${options}) } catch (error) { console.log(error.name) }`);
      expect(stdout).toBe("TypeError\n");
    }
  });
});
