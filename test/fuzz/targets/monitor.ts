/** `sd-notify monitor`: it tells of whatever is sent, stays alive, leaves nothing open, and ends when it is told to. */

import type { MonitorEvent } from "../../../src/tools/monitor/events.ts";
import { COMMANDS, ROOT } from "../../support/command.ts";
import { readLines, within } from "../../support/receiver.ts";
import { anyDatagram, type Datagram, Sender } from "../datagrams.ts";
import { assert, assertEqual, type Target } from "../target.ts";
import { checkUsage, type Usage, usageOf } from "../usage.ts";
import { checkVerdict } from "./verdict.ts";

export const monitor: Target<Datagram> = {
  make: anyDatagram,
  async open() {
    let running = await start();
    const check = async (datagram: Datagram): Promise<void> => {
      // One that was told that it stops, or that nobody may notify, has no more to show.
      if (running.count === LIFE) {
        await running.end();
        running = await start();
      }
      const answer = await running.ask(datagram);
      if (answer !== "timed out") return checkVerdict(answer.verdict, datagram.bytes);
      // An earlier EXTEND_TIMEOUT_USEC= has ended the start: that is as it should be.
      running = await start();
      await check(datagram);
    };
    return { check, close: () => running.end() };
  },
};

// --- internal ---

/** How many datagrams one monitor has, and after how many it has opened and compiled what it needs. */
const LIFE = 20_000;
const WARM = 1000;

/** The exit status of a start that takes too long. */
const TIME_OVER = 4;

const READY: Datagram = { bytes: Buffer.from("READY=1"), files: [], sender: "main", uid: 0, gid: 0 };

/** The source, which needs no build. */
const [, COMMAND] = COMMANDS[1] as (typeof COMMANDS)[1];
const OPTIONS = [
  "--json",
  "--notify-access=all",
  "--restart",
  "--fdstore=4",
  "--timeout-start=0",
  "--timeout-stop=0",
  "--timeout=1000",
];

async function start() {
  const child = Bun.spawn([...COMMAND, "monitor", ...OPTIONS, "--", "sleep", "infinity"], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const stderr = child.stderr.text();
  const lines = readLines(child.stdout);
  let mainPid = process.pid;
  let isNew = false;
  const next = async () => {
    const { value, done } = await within(5000, lines.next(), () => "it does not answer");
    if (done) throw new Error(`it has ended with ${(await child.exited) || child.signalCode}: ${await stderr}`);
    const event: MonitorEvent = JSON.parse(value);
    if (event.event === "started") {
      mainPid = event.pid;
      isNew = true;
    }
    return event;
  };
  const first = await next();
  assert(first.event === "started", "it does not start", first);
  const sender = new Sender(first.socket);
  const ended = async () => {
    const code = await within(5000, child.exited, () => "it does not end");
    sender[Symbol.dispose]();
    return { code, stderr: await stderr };
  };
  /** Sends it; as this process, while the command is not there. */
  const send = (datagram: Datagram) => {
    try {
      sender.send(datagram, mainPid);
    } catch (error) {
      if ((error as { code?: string }).code !== "ESRCH") throw error;
      sender.send({ ...datagram, sender: "self" }, mainPid);
    }
  };
  const answer = async () => {
    for (;;) {
      const event = await next();
      if (event.event === "message" || event.event === "barrier") return event;
      if (event.event !== "end" || event.status !== TIME_OVER) continue;
      assertEqual(await ended(), { code: TIME_OVER, stderr: "" }, "the end");
      return "timed out";
    }
  };
  let count = 0;
  let before: Usage | undefined;
  return {
    get count() {
      return count;
    },
    async ask(datagram: Datagram) {
      if (count++ === WARM) before = await usageOf(child.pid);
      try {
        if (isNew) {
          isNew = false;
          send(READY);
          await answer();
        }
        send(datagram);
      } catch (error) {
        if ((error as { code?: string }).code !== "ECONNREFUSED") throw error;
      }
      return await answer();
    },
    async end() {
      if (before !== undefined) checkUsage(before, await usageOf(child.pid));
      child.kill("SIGTERM");
      while ((await next()).event !== "end");
      const end = await ended();
      assert((end.code === 0 || end.code === TIME_OVER) && end.stderr === "", "it does not end well", end);
    },
  };
}
