/**
 * Does what systemd does with a unit: starts its command, takes its messages, waits, stops it. Everything that happens
 * becomes an event.
 */

import { basename } from "node:path";
import { monotonicUsec } from "../../../ffi/syscalls.ts";
import { childEnv } from "../../child-env.ts";
import type { Message } from "../../receiver/receiver.ts";
import { type FdKind, kindOf } from "../../server/listen-fds.ts";
import type { UnitFacts } from "../../verdict/types.ts";
import { startProgram } from "../start-program.ts";
import { type Changes, changesOf } from "../unit/changes.ts";
import { FdStore } from "../unit/fd-store.ts";
import { inspect } from "../unit/inspect.ts";
import {
  type Action,
  type End,
  factsOf,
  type Happening,
  isBeingStopped,
  isUp,
  type Life,
  type Outcome,
  transition,
  UNBORN,
} from "../unit/lifecycle.ts";
import { Names } from "../unit/names.ts";
import { Timers } from "../unit/timers.ts";
import { Watchdog } from "../unit/watchdog.ts";
import type { MonitorEvent } from "./events.ts";
import { Family } from "./family.ts";
import { Mailbox } from "./mailbox.ts";
import type { MonitorOptions } from "./options.ts";
import { Timeline } from "./timeline.ts";

export type { Outcome } from "../unit/lifecycle.ts";

/** The exit status of --strict: see its help. The others are the life's. */
const IGNORED = 5;

export class Supervisor implements Disposable {
  readonly #options: MonitorOptions;
  readonly #emit: (event: MonitorEvent) => void;
  readonly #startUsec = monotonicUsec();
  readonly #mailbox: Mailbox;
  readonly #store: FdStore;
  readonly #family: Family;
  readonly #names = new Names();
  readonly #timeline = new Timeline();
  readonly #timers = new Timers<"phase" | "until">();
  readonly #watchdog = new Watchdog(() => this.#watchdogIsOver());
  readonly #done = Promise.withResolvers<Outcome>();
  readonly #count = { messages: 0, ignored: 0, missed: 0, refused: 0 };
  /** The settings that messages are judged by, of which some change by them. */
  #facts: UnitFacts = {};
  #life: Life = UNBORN;

  /** `emit` tells of each event; `room` returns what to wait for before there are more, if anything. */
  constructor(
    options: MonitorOptions,
    emit: (event: MonitorEvent) => void,
    room: () => Promise<void> | undefined = () => undefined,
  ) {
    this.#options = options;
    this.#emit = emit;
    this.#mailbox = new Mailbox(room);
    // run() reports the error.
    this.#done.promise.catch(() => {});
    this.#store = new FdStore(options.fdStoreMax);
    this.#family = new Family((sent) => {
      this.#count.refused += sent.refused?.length ?? 0;
      emit({ event: "signal", timeUsec: this.#now(), ...sent });
    });
  }

  /** What the command's $NOTIFY_SOCKET is. */
  get address(): string {
    return this.#mailbox.address;
  }

  /**
   * Starts the command. When nothing of it runs any more, resolves to how it ended. If this rejects, nothing of it runs
   * either.
   */
  async run(): Promise<Outcome> {
    try {
      this.#timers.set("until", this.#options.timeoutMs, () => this.#happens({ what: "time up", timer: "until" }));
      this.#start();
      const taking = this.#mailbox.takeAll((message) => this.#take(message)).catch(this.#done.reject);
      const outcome = await this.#done.promise;
      this.#timers.clear("phase", "until");
      await this.#family.end(Math.min(this.#options.timeoutStopMs, LEFT_OVER_MS));
      this.#mailbox.close();
      await taking;
      return this.#tellEnd(outcome);
    } finally {
      await this.#leaveNothing();
    }
  }

  /** Something is wrong with the monitor itself: the command is ended, and run() rejects. */
  fail(error: unknown): void {
    this.#done.reject(error);
  }

  /** Closes what it has open. */
  [Symbol.dispose](): void {
    this.#mailbox.close();
    this.#store.clear();
  }

  /** Has the main process reload, as Type=notify-reload does, or ExecReload=kill -HUP $MAINPID. */
  reload(): void {
    this.#happens({ what: "reload", usec: monotonicUsec() });
  }

  /** Stops the command as systemd would; a second time, at once. After the first, run() resolves to the status. */
  stop(why: string, status = 0): void {
    this.#happens({ what: "stop", why, status });
  }

  /** Stops the command, and starts it again. */
  restart(): void {
    this.#happens({ what: "restart" });
  }

  // --- internal: the life of the command ---

  /** Changes to the state that follows from the event, says so, and does what that requires. */
  #happens(happening: Happening, timeUsec = this.#now()): void {
    const { life, actions, why } = transition(this.#life, happening, this.#options);
    this.#life = life;
    const event = happening.what !== "abandoned" && this.#timeline.enter(life.phase, timeUsec, why);
    if (event) this.#emit(event);
    for (const action of actions) this.#do(action, timeUsec);
  }

  #do(action: Action, timeUsec: number): void {
    switch (action.act) {
      case "start":
        this.#start();
        break;
      case "signal": {
        const main = [this.#mainPid()].filter((pid) => pid !== undefined);
        this.#family.signal(action.signal, action.why, action.to === "main" ? main : undefined);
        break;
      }
      case "set timer":
        this.#timers.set("phase", action.ms, () => this.#happens({ what: "time up", timer: "phase" }));
        break;
      case "extend timers":
        this.#timers.extend("phase", action.ms);
        this.#watchdog.extend(action.ms);
        break;
      case "clear timer":
        this.#timers.clear("phase");
        break;
      case "watch":
        if (action.on) this.#watchdog.start(timeUsec + this.#startUsec);
        else this.#watchdog.stop();
        break;
      case "go on":
        this.#happens(action.with);
        break;
      case "end":
        this.#done.resolve(action.outcome);
    }
  }

  #start(): void {
    const { command, type, notifyAccess, fdStoreMax, watchdogUsec } = this.#options;
    this.#facts = { type, notifyAccess, fdStoreMax, watchdogUsec };
    this.#watchdog.timeoutUsec = watchdogUsec;
    const watchdog = watchdogUsec > 0 ? { WATCHDOG_USEC: `${watchdogUsec}` } : {};
    const program = startProgram(command, {
      env: { ...childEnv(), NOTIFY_SOCKET: this.address, ...watchdog },
      stdin: "ignore",
      // Standard output is the monitor's.
      stdout: 2,
      fds: this.#store.fds,
    });
    this.#family.child = program;
    // The kernel's TASK_COMM_LEN, should it end before it is seen.
    this.#names.set(program.pid, basename(command[0] ?? "").slice(0, 15));
    const fds = this.#store.fds.map(({ name }) => name);
    const { pid } = program;
    this.#emit({ event: "started", timeUsec: this.#now(), pid, command, socket: this.address, fds });
    this.#happens({ what: "started", pid });
    program.exited.then(() => this.#ended(program)).catch(this.#done.reject);
  }

  async #ended({ pid, exitCode, signalCode }: Bun.Subprocess): Promise<void> {
    const isWaitedFor = () => isUp(this.#life) && !isBeingStopped(this.#life);
    if (!isUp(this.#life)) return;
    await this.#mailbox.settle(isWaitedFor);
    let end: End = { code: exitCode, signal: signalCode as string | null };
    this.#emit({ event: "exit", timeUsec: this.#now(), pid, ...end });
    // MAINPID= may have made another process the main one. If root sent it, that may be another user's process, which
    // the monitor must not end.
    const mainPid = this.#mainPid();
    if (mainPid !== undefined && mainPid !== pid) {
      end = await this.#family.endOf(mainPid, isWaitedFor);
      this.#emit({ event: "exit", timeUsec: this.#now(), pid: mainPid, ...end });
    }
    this.#stopClocks();
    await this.#family.end(Math.min(this.#options.timeoutStopMs, LEFT_OVER_MS));
    // Check again: in the meantime it may have been told to stop, or have said that it does.
    this.#stopClocks();
    this.#happens({ what: "ended", ...end });
  }

  #stopClocks(): void {
    this.#watchdog.stop();
    this.#timers.clear("phase");
  }

  /** Whatever has happened: nothing of it runs, is open or will be done. */
  async #leaveNothing(): Promise<void> {
    this.#happens({ what: "abandoned" });
    this.#stopClocks();
    this.#timers.clear("until");
    // First, because the next needs file descriptors.
    this[Symbol.dispose]();
    try {
      await this.#family.end(Math.min(this.#options.timeoutStopMs, LEFT_OVER_MS));
    } catch {
      // What is known without /proc is ended all the same.
    }
    this.#family.abandon();
  }

  #tellEnd({ status, why }: Outcome): Outcome {
    const { messages, ignored, missed, refused } = this.#count;
    const outcome = { status, why };
    if (status === 0 && this.#options.strict && ignored + missed > 0) {
      const what = ignored > 0 ? "something was ignored" : "a ping of the watchdog was missed";
      Object.assign(outcome, { status: IGNORED, why: `${why}; --strict, and ${what}` });
    }
    const timeUsec = this.#now();
    const timeline = this.#timeline.spans(timeUsec);
    const told = { messages, ignored, ...(refused > 0 && { refused }) };
    this.#emit({ event: "end", timeUsec, timeline, ...told, ...outcome });
    return outcome;
  }

  // --- internal: messages ---

  #take(message: Message): void {
    const unit = { ...this.#facts, ...factsOf(this.#life), fdStored: this.#store.fds.length };
    const { sender, verdict } = inspect(message, unit, this.#mainPid(), { names: this.#names });
    const timeUsec = message.receivedUsec - this.#startUsec;
    const isIgnored = verdict.problems.length > 0;
    if (isIgnored) this.#count.ignored++;
    if (message.isBarrier) {
      message.close();
      const answeredUsec = monotonicUsec() - message.receivedUsec;
      this.#emit({ event: "barrier", timeUsec, sender, ...(!isIgnored && { answeredUsec }), verdict });
      return;
    }
    this.#count.messages++;
    const { text, receivedUsec } = message;
    const changes = changesOf(message, verdict);
    const ping = changes.ping && this.#watchdog.ping(receivedUsec);
    const name = message.fields.FDNAME ?? "";
    const fds = message.fds.map((fd) => ({ name, ...kindOfReceived(fd) }));
    this.#emit({ event: "message", timeUsec, sender, text, receivedUsec, fds, verdict, ...(ping && { ping }) });
    this.#apply(message, changes);
    const { stopping, mainPid, extendMs } = changes;
    this.#happens({ what: "said", phase: verdict.phase, mainPid, extendMs, ...(stopping && { stopping }) }, timeUsec);
  }

  #apply(message: Message, { notifyAccess, watchdogUsec, storeFds, removeFds, watchdogIsOver }: Changes): void {
    if (notifyAccess !== undefined) this.#facts.notifyAccess = notifyAccess;
    if (watchdogUsec !== undefined) this.#facts.watchdogUsec = this.#watchdog.timeoutUsec = watchdogUsec;
    if (storeFds !== undefined) {
      for (const _ of this.#store.add(message, storeFds)) {
        this.#tellFd(storeFds, `kept, ${this.#store.fds.length} of ${this.#options.fdStoreMax}`);
      }
    }
    if (removeFds !== undefined) this.#tellFd(removeFds, `${this.#store.remove(removeFds)} closed`);
    if (watchdogIsOver) this.#watchdogIsOver();
  }

  #tellFd(name: string, what: string): void {
    this.#emit({ event: "fd", timeUsec: this.#now(), name, what });
  }

  #watchdogIsOver(): void {
    this.#count.missed++;
    this.#emit({ event: "watchdog", timeUsec: this.#now(), timeoutUsec: this.#watchdog.timeoutUsec });
    this.#watchdog.start(monotonicUsec());
  }

  // --- internal ---

  #mainPid(): number | undefined {
    return isUp(this.#life) ? this.#life.mainPid : undefined;
  }

  /** Since the start of the monitor. */
  #now(): number {
    return monotonicUsec() - this.#startUsec;
  }
}

/** How long the processes that the main process has left may take to end. */
const LEFT_OVER_MS = 2000;

/** A file of somebody else's, who may see to it that nobody can tell what it is. */
function kindOfReceived(fd: number): FdKind {
  try {
    return kindOf(fd);
  } catch {
    return { kind: "other" };
  }
}
