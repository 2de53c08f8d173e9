/** `sd-notify monitor`: systemd on the laptop. */

import { statSync } from "node:fs";
import { constants } from "node:os";
import { isatty } from "node:tty";
import { complain } from "../../console/output.ts";
import { UsageError } from "../../console/usage-error.ts";
import { complainOf } from "../options.ts";
import { isIgnored } from "../signals.ts";
import { Foreground } from "./foreground.ts";
import { Keys } from "./keys.ts";
import { type MonitorOptions, parseOptions, tool } from "./options.ts";
import { createPresenter } from "./presenter.ts";
import { Printer } from "./printer.ts";
import { replay } from "./replay.ts";
import { Recording } from "./report/recording.ts";
import { checkReport, writeReport } from "./report/write.ts";
import { Supervisor } from "./supervisor.ts";

export { tool };

export async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const { report } = options;
  if (options.replay !== undefined) return tellAgain(options.replay, options);
  if (report !== undefined) checkReport(report);
  let failure: unknown;
  const stopping = Promise.withResolvers<void>();
  let isStopping = false;
  const stop = (why: string, status?: number) => {
    isStopping = true;
    stopping.resolve();
    supervisor.stop(why, status);
  };
  const quit = (signal: NodeJS.Signals, why: string = signal) => stop(why, 128 + constants.signals[signal]);
  const printer = new Printer((error) => {
    // Nobody reads any more, or there is no room. The command is stopped all the same.
    failure = error;
    if (!isStopping) stop("what the monitor prints can't be written");
  });
  const recording = report === undefined ? undefined : new Recording();
  using presenter = createPresenter(printer, options);
  using supervisor = new Supervisor(
    options,
    (event) => {
      recording?.add(event);
      presenter.tell(event);
    },
    () => printer.room(),
  );
  const actions: Record<string, () => void> = {
    r: () => supervisor.reload(),
    t: () => stop("key t"),
    q: () => stop("key q"),
    // A terminal in raw mode sends no signals.
    "\x03": () => stop("Ctrl-C"),
    "\x1c": () => quit("SIGQUIT", "Ctrl-\\"),
    "\x1a": () => process.kill(0, "SIGTSTP"),
    R: () => supervisor.restart(),
    "?": () => presenter.help(),
  };
  using _handlers = listen({
    // The standalone executable does not ignore it from the start.
    SIGPIPE: () => {},
    SIGINT: () => stop("SIGINT"),
    SIGTERM: () => stop("SIGTERM"),
    // The terminal has gone. Under nohup(1) that does not matter.
    ...(!isIgnored("SIGHUP") && { SIGHUP: () => stop("SIGHUP") }),
    // By default these would end the monitor at once, and the terminal would stay as it is. A shell without job
    // control ignores SIGQUIT for what it starts in the background.
    ...Object.fromEntries(DEADLY.filter((signal) => !isIgnored(signal)).map((signal) => [signal, () => quit(signal)])),
    // An error in a timer or in any of these. The command must not go on without the monitor.
    uncaughtException: (error) => supervisor.fail(error),
    unhandledRejection: (error) => supervisor.fail(error),
  });
  if (supervisor.address.startsWith("@")) {
    complain("monitor: no directory for a socket was found, so every user of this machine can send to it");
  }
  using keys = new Keys(
    (key) => actions[key]?.(),
    () => printer.isWriting,
  );
  const written = () => Promise.race([printer.end(), pass(WRITING_MS)]);
  using _foreground = isatty(0) || isatty(1) ? new Foreground([presenter, keys], written) : undefined;
  let status = 1;
  try {
    ({ status } = await supervisor.run());
  } catch (error) {
    failure ??= error;
    stopping.resolve();
  }
  presenter[Symbol.dispose]();
  try {
    if (report !== undefined && recording) writeReport(report, recording);
  } catch (error) {
    failure ??= error;
    status = 1;
  }
  // A slow reader may take its time, unless somebody wants the monitor to stop.
  const timeUp = stopping.promise.then(() => pass(READER_MS)).then(() => true);
  const isTimeUp = await Promise.race([printer.end(), timeUp]);
  if (failure !== undefined && !isTimeUp) throw failure;
  if (failure !== undefined) complainOf(tool.name, failure);
  // Exit at once, whatever is being written.
  if (isTimeUp) process.exit(status);
  return status;
}

// --- internal ---

function isSameFile(a: string, b: string): boolean {
  const [one, other] = [a, b].map((path) => statSync(path, { throwIfNoEntry: false }));
  return one?.isFile() === true && one.dev === other?.dev && one.ino === other.ino;
}

/** Tells of the events of a file, or writes their report. Returns the exit status. */
async function tellAgain(path: string, { report, json }: MonitorOptions): Promise<number> {
  if (report !== undefined) {
    if (isSameFile(path, report)) throw new UsageError("--report would overwrite the recording of --replay");
    const recording = new Recording();
    await replay(path, (event) => recording.add(event));
    writeReport(report, recording);
    return 0;
  }
  let failure: unknown;
  const printer = new Printer((error) => {
    failure = error;
  });
  using presenter = createPresenter(printer, { json, isLive: false });
  await replay(path, async (event) => {
    presenter.tell(event);
    await printer.room();
    if (failure !== undefined) throw failure;
  });
  presenter[Symbol.dispose]();
  await printer.end();
  if (failure !== undefined) throw failure;
  return 0;
}

/** Somebody may send these, and does not mean an ordinary stop: the exit status is that of a shell, 128 and more. */
const DEADLY = ["SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGXCPU"] as const;

/** How long the terminal may take to get its rows back before Ctrl-Z stops the monitor. */
const WRITING_MS = 500;

/** How long the reader of the output may take when the monitor must stop. */
const READER_MS = 2000;

/** Resolves after a time, but does not keep the process alive until then. */
function pass(timeMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, timeMs).unref();
  return promise;
}

/** Listens to events of the process until it is disposed of. */
function listen(handlers: Record<string, (what: unknown) => void>): Disposable {
  for (const [name, handler] of Object.entries(handlers)) process.on(name, handler);
  return {
    [Symbol.dispose]() {
      for (const [name, handler] of Object.entries(handlers)) process.off(name, handler);
    },
  };
}
