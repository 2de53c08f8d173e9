import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { MonitorEvent } from "../src/tools/monitor/events.ts";
import { Limiter } from "../src/tools/monitor/limiter.ts";
import { missing, ROOT, run, temporaryDirectory } from "./support/command.ts";
import { select, startMonitor } from "./support/monitor.ts";
import { openTmux } from "./support/terminal.ts";

const noTmux = missing("tmux");
const directory = temporaryDirectory();
const { open, close } = openTmux(directory.path);

setDefaultTimeout(30_000);

afterAll(async () => {
  if (!noTmux) await close();
  directory[Symbol.dispose]();
});

/** The events of a real command up to its message, and that message so many times: a recording without an end. */
async function cutRecording(count: number): Promise<MonitorEvent[]> {
  const { end } = startMonitor(["--until=ready"], "$N --ready; exec sleep 1000");
  const { events } = await end();
  const [message] = select(events, "message");
  if (message === undefined) throw new Error("no message");
  return [...events.slice(0, events.indexOf(message)), ...Array.from({ length: count }, () => message)];
}

const TOLD = /… and 50 messages more in this second, 0 of them ignored in part or whole\n/;

describe("messages that are too many to be shown are counted", () => {
  test("if the recording breaks off, in a pipe and on a terminal", async () => {
    const path = `${directory.path}/recording`;
    await Bun.write(path, (await cutRecording(150)).map((event) => `${JSON.stringify(event)}\n`).join(""));
    const { stdout, code } = await run([`${ROOT}dist/sd-notify`, "monitor", `--replay=${path}`]);
    expect(code).toBe(0);
    expect(stdout.match(/READY=1$/gm)).toHaveLength(100);
    expect(stdout).toMatch(new RegExp(`${TOLD.source}$`));
    if (noTmux) return;
    const terminal = await open(`${ROOT}dist/sd-notify monitor --replay=${path}; cat`);
    await terminal.until(TOLD);
  });

  test("if the recording is broken, before the error", async () => {
    const path = `${directory.path}/broken`;
    const lines = (await cutRecording(150)).map((event) => `${JSON.stringify(event)}\n`);
    await Bun.write(path, [...lines, "broken\n", "broken\n"].join(""));
    const { stdout, stderr, code } = await run([`${ROOT}dist/sd-notify`, "monitor", `--replay=${path}`]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^sd-notify: monitor: .* it is no JSON\n$/),
    });
    expect(stdout).toMatch(TOLD);
  });

  test("once, by flush()", async () => {
    const told: MonitorEvent[] = [];
    const limiter = new Limiter((event) => told.push(event));
    for (const event of await cutRecording(101)) limiter.emit(event);
    limiter.flush();
    limiter.flush();
    expect(told.filter(({ event }) => event === "suppressed")).toEqual([
      { event: "suppressed", timeUsec: told.at(-2)?.timeUsec as number, messages: 1, ignored: 0 },
    ]);
  });
});
