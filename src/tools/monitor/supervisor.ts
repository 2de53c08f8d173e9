/** What systemd does with a unit: starts its command, takes its messages, waits, stops it. Everything that happens is an event. */

import { ETIMEDOUT } from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/errno.ts";
import { monotonicUsec } from "../../../ffi/syscalls.ts";
import { barrier } from "../../barrier.ts";
import { childEnv } from "../../child-env.ts";
import { explain } from "../../console/explain.ts";
import { complain } from "../../console/output.ts";
import { EXIT_EXEC } from "../../protocol/systemd.ts";
import { type Message, openReceiver, type Receiver } from "../../receiver/receiver.ts";
import { type FdKind, kindOf } from "../../server/listen-fds.ts";
import type { Phase } from "../../verdict/types.ts";
import { startProgram } from "../start-program.ts";
import { type Changes, changesOf } from "./changes.ts";
import type { MonitorEvent } from "./events.ts";
import { type End, Family } from "./family.ts";
import { FdStore } from "./fd-store.ts";
import { inspect } from "./inspect.ts";
import type { MonitorOptions } from "./options.ts";
import { Timers } from "./timers.ts";
import { Unit } from "./unit.ts";
import { Watchdog } from "./watchdog.ts";

/** How it ended. */
export interface Outcome {
  status: number;
  why: string;
}

/** Exit statuses of the monitor: see its help. */
const ENDED_BEFORE = 3;
const TIME_OVER = 4;
const IGNORED = 5;

export class Supervisor implements Disposable {
  readonly #options: MonitorOptions;
  readonly #emit: (event: MonitorEvent) => void;
  readonly #room: () => Promise<void> | undefined;
  readonly #receiver: Receiver;
  readonly #unit: Unit;
  readonly #store: FdStore;
  readonly #family: Family;
  readonly #startUsec = monotonicUsec();
  /** Resolves to true when the receiver is closed. */
  readonly #closed = Promise.withResolvers<true>();
  readonly #done = Promise.withResolvers<Outcome>();
  readonly #timers = new Timers<"start" | "stop" | "restart" | "until">();
  readonly #watchdog = new Watchdog(() => this.#watchdogIsOver());
  #program: Bun.Subprocess | undefined;
  #mainPid: number | undefined;
  #messages = 0;
  #ignored = 0;
  #missed = 0;
  /** What is to happen when the command has ended; undefined: what the options say. */
  #next: "start" | Outcome | undefined;
  /** Why it is being stopped, where that makes it fail. */
  #failure: string | undefined;
  #isStopping = false;
  /** Whether run() has ended, or is about to: nothing is started any more. */
  #isOver = false;

  /** `emit` tells of each event; `room` returns what to wait for before there are more, if anything. */
  constructor(
    options: MonitorOptions,
    emit: (event: MonitorEvent) => void,
    room: () => Promise<void> | undefined = () => undefined,
  ) {
    this.#options = options;
    this.#emit = emit;
    this.#room = room;
    this.#receiver = openReceiver({ barriers: "hold", keepHistory: false });
    // run() tells.
    this.#done.promise.catch(() => {});
    this.#store = new FdStore(options.fdStoreMax);
    this.#family = new Family((signal, pids, why) => {
      emit({ event: "signal", timeUsec: this.#now(), signal, pids, why });
    });
    this.#unit = new Unit({
      type: options.type,
      notifyAccess: options.notifyAccess,
      fdStoreMax: options.fdStoreMax,
      watchdogUsec: options.watchdogUsec,
    });
  }

  /** What the command's $NOTIFY_SOCKET is. */
  get address(): string {
    return this.#receiver.address;
  }

  /** Starts the command. Resolves to how it ended, when nothing of it runs any more; then neither does it when this rejects. */
  async run(): Promise<Outcome> {
    try {
      this.#timers.set("until", this.#options.timeoutMs, () => {
        this.#finish({ status: TIME_OVER, why: `${this.#options.until ?? "exit"} has not come in time` });
      });
      this.#start();
      const taking = this.#takeMessages().catch(this.#done.reject);
      const outcome = await this.#done.promise;
      this.#timers.clear("until", "restart");
      await this.#family.end(Math.min(this.#options.timeoutStopMs, LEFT_OVER_MS));
      this.#close();
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
    this.#close();
    this.#store.clear();
  }

  /** Has the main process reload, as Type=notify-reload does, or ExecReload=kill -HUP $MAINPID. */
  reload(): void {
    if (this.#mainPid === undefined || !this.#unit.isUp) return;
    this.#unit.facts.reloadUsec = monotonicUsec();
    this.#family.signal("SIGHUP", "reload", [this.#mainPid]);
  }

  /** Stops the command as systemd would; a second time, at once. */
  stop(why: string): void {
    if (this.#timers.has("restart")) this.#finish({ status: 0, why: "stopped" });
    if (!this.#unit.isUp) return;
    const isEnding = typeof this.#next === "object";
    if (!isEnding) this.#next = { status: 0, why: "stopped" };
    if (!this.#isStopping) this.#stop(why);
    // It may have been stopped to be started again.
    else if (isEnding) this.#kill(`${why}, once more`);
  }

  /** Stops the command, and starts it again. */
  restart(): void {
    if (!this.#unit.isUp || this.#next !== undefined) return;
    this.#next = "start";
    this.#stop("restart");
  }

  // --- internal: the life of the command ---

  #start(): void {
    const { command, watchdogUsec, timeoutStartMs } = this.#options;
    this.#next = undefined;
    this.#failure = undefined;
    this.#isStopping = false;
    this.#watchdog.timeoutUsec = watchdogUsec;
    this.#unit.facts.notifyAccess = this.#options.notifyAccess;
    this.#unit.facts.watchdogUsec = watchdogUsec;
    const watchdog = watchdogUsec > 0 ? { WATCHDOG_USEC: `${watchdogUsec}` } : {};
    const program = startProgram(command, {
      env: { ...childEnv(), ...this.#receiver.env, ...watchdog },
      stdin: "ignore",
      // Standard output is the monitor's.
      stdout: 2,
      fds: this.#store.fds,
    });
    this.#program = program;
    this.#family.child = this.#mainPid = program.pid;
    const fds = this.#store.fds.map(({ name }) => name);
    this.#emit({
      event: "started",
      timeUsec: this.#now(),
      pid: program.pid,
      command,
      socket: this.#receiver.address,
      fds,
    });
    this.#enter("activating");
    this.#timers.set("start", timeoutStartMs, () => this.#fail("no READY=1 within the time of TimeoutStartSec="));
    program.exited.then(() => this.#ended(program)).catch(this.#done.reject);
  }

  async #ended({ pid, exitCode, signalCode }: Bun.Subprocess): Promise<void> {
    if (!this.#isOver) await this.#lastMessages();
    const end: End = { code: exitCode, signal: signalCode as string | null };
    this.#emit({ event: "exit", timeUsec: this.#now(), pid, ...end });
    const { code, signal } = await this.#endOfMain(end);
    this.#clearTimers();
    await this.#family.end(Math.min(this.#options.timeoutStopMs, LEFT_OVER_MS));
    // Once more: it may have been told to stop, or have said that it does, meanwhile.
    this.#clearTimers();
    if (this.#isOver) return;
    this.#mainPid = undefined;
    const failure = this.#failure ?? this.#whyFailed(code, signal);
    this.#enter(failure === undefined ? "inactive" : "failed", failure);
    const next = this.#next ?? (this.#options.restart ? "restart" : this.#outcomeOf(failure));
    if (next === "start") this.#start();
    else if (next === "restart") this.#timers.set("restart", RESTART_MS, () => this.#start());
    else this.#done.resolve(next);
  }

  /** Waits until what it sent before its end was taken, but not for ever: somebody may be sending still. */
  async #lastMessages(): Promise<void> {
    for (;;) {
      try {
        await barrier({ socket: this.#receiver.address, timeoutMs: LAST_MESSAGES_MS });
        return;
      } catch (error) {
        // Whoever reads what is told is slow, and nobody is waiting for the end.
        if (isErrno(error, ETIMEDOUT) && this.#room() && !this.#isStopping) continue;
        complain(`monitor: what the command sent last may be missing: ${explain(error)}`);
        return;
      }
    }
  }

  /** Waits for the end of the main process, where MAINPID= has made another one that. */
  async #endOfMain(end: End): Promise<End> {
    const mainPid = this.#mainPid;
    if (mainPid === undefined || mainPid === this.#family.child) return end;
    // Root may name a process of somebody else's, which is not the monitor's to end.
    const other = await this.#family.endOf(mainPid, () => !this.#isStopping);
    this.#emit({ event: "exit", timeUsec: this.#now(), pid: mainPid, ...other });
    return other;
  }

  /** systemd.service(5): which ends are none of success. */
  #whyFailed(code: number | null, signal: string | null): string | undefined {
    const stopping = this.#unit.phase === "deactivating";
    if (code === EXIT_EXEC) return "it can't be executed";
    if (signal !== null && !["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"].includes(signal)) return `killed by ${signal}`;
    if (code !== null && code !== 0) return `exit status ${code}`;
    if (this.#unit.phase === "activating" && !stopping) return "it ended before READY=1 (Result=protocol)";
    return undefined;
  }

  #outcomeOf(failure: string | undefined): Outcome {
    const { until } = this.#options;
    if (failure !== undefined) return { status: ENDED_BEFORE, why: failure };
    if (until === "ready" || until === "stopping")
      return { status: ENDED_BEFORE, why: `it ended, and ${until} has not come` };
    return { status: 0, why: "ended" };
  }

  /** Stops the command; then that is the end. */
  #finish(outcome: Outcome): void {
    if (typeof this.#next === "object") return;
    this.#next = outcome;
    if (this.#unit.isUp) this.#stop(outcome.why);
    else this.#done.resolve(outcome);
  }

  /** The time is over: the command is stopped, and has failed. */
  #fail(why: string): void {
    this.#failure = why;
    this.#finish({ status: TIME_OVER, why });
  }

  #stop(why: string): void {
    this.#isStopping = true;
    this.#clearTimers();
    this.#enter("deactivating");
    this.#timers.set("stop", this.#options.timeoutStopMs, () => this.#kill("the time of TimeoutStopSec= is over"));
    // systemd.kill(5): KillMode=control-group.
    this.#family.signal("SIGTERM", why);
  }

  #kill(why: string): void {
    this.#family.signal("SIGKILL", why);
  }

  /** Whatever has happened: nothing of it runs, is open or will be done. */
  async #leaveNothing(): Promise<void> {
    this.#isOver = true;
    this.#clearTimers();
    this.#timers.clear("until", "restart");
    // First, because the next needs file descriptors.
    this[Symbol.dispose]();
    try {
      await this.#family.end(Math.min(this.#options.timeoutStopMs, LEFT_OVER_MS));
    } catch {
      // What is known without /proc.
      this.#program?.kill("SIGKILL");
    }
    // It may be one that can't be killed.
    this.#program?.unref();
  }

  #close(): void {
    this.#receiver.close();
    this.#closed.resolve(true);
  }

  #tellEnd(outcome: Outcome): Outcome {
    const { status, why } = this.#judgeOutcome(outcome);
    const timeUsec = this.#now();
    const timeline = this.#unit.timeline(timeUsec);
    this.#emit({ event: "end", timeUsec, timeline, messages: this.#messages, ignored: this.#ignored, status, why });
    return { status, why };
  }

  #judgeOutcome(outcome: Outcome): Outcome {
    if (outcome.status !== 0 || !this.#options.strict || this.#ignored + this.#missed === 0) return outcome;
    const what = this.#ignored > 0 ? "something was ignored" : "a ping of the watchdog was missed";
    return { status: IGNORED, why: `${outcome.why}; --strict, and ${what}` };
  }

  // --- internal: messages ---

  async #takeMessages(): Promise<void> {
    for await (const message of this.#receiver) {
      using _ = message;
      const room = this.#room();
      if (room && (await Promise.race([room, this.#closed.promise]))) return;
      try {
        this.#take(message);
      } catch (error) {
        // It is one message's, and the next one may be the command's last.
        complain(`monitor: a message of process ${message.pid} can't be looked at: ${explain(error)}`);
      }
    }
  }

  #take(message: Message): void {
    // The monitor's own barrier, when the command has ended.
    if (message.pid === process.pid && message.isBarrier) return;
    this.#unit.facts.fdStored = this.#store.fds.length;
    const { sender, verdict } = inspect(message, this.#unit.facts, this.#mainPid);
    if (verdict.problems.length > 0) this.#ignored++;
    if (message.isBarrier) {
      message.close();
      const answeredUsec = monotonicUsec() - message.receivedUsec;
      this.#emit({ event: "barrier", timeUsec: this.#at(message), sender, answeredUsec, verdict });
      return;
    }
    this.#messages++;
    const changes = changesOf(message, verdict);
    const ping = changes.ping && this.#watchdog.ping(message.receivedUsec);
    const name = message.fields.FDNAME ?? "";
    const fds = message.fds.map((fd) => ({ name, ...kindOfReceived(fd) }));
    this.#emit({
      event: "message",
      timeUsec: this.#at(message),
      sender,
      text: message.text,
      receivedUsec: message.receivedUsec,
      fds,
      verdict,
      ...(ping && { ping }),
    });
    this.#apply(message, changes);
    if (verdict.phase !== undefined) this.#enterBy(verdict.phase, message);
  }

  #apply(message: Message, changes: Changes): void {
    const { facts } = this.#unit;
    const { mainPid, notifyAccess, watchdogUsec, storeFds, removeFds, extendTimeoutMs } = changes;
    if (mainPid !== undefined) this.#mainPid = mainPid;
    if (notifyAccess !== undefined) facts.notifyAccess = notifyAccess;
    if (watchdogUsec !== undefined) facts.watchdogUsec = this.#watchdog.timeoutUsec = watchdogUsec;
    if (storeFds !== undefined) this.#storeFds(message, storeFds);
    if (removeFds !== undefined) this.#removeFds(removeFds);
    if (extendTimeoutMs !== undefined) this.#extend(extendTimeoutMs);
    if (changes.watchdogIsOver) this.#watchdogIsOver();
  }

  /** The phase that a message says. */
  #enterBy(phase: Phase, message: Message): void {
    const { until } = this.#options;
    const isStart = phase === "active" && this.#unit.phase === "activating";
    this.#enter(phase, undefined, this.#at(message));
    if (phase === "active") this.#timers.clear("start");
    if (isStart) this.#watchdog.start(message.receivedUsec);
    if (isStart && until === "ready") this.#finish({ status: 0, why: "ready" });
    if (phase === "deactivating" && !this.#isStopping) {
      this.#clearTimers();
      this.#timers.set("stop", this.#options.timeoutStopMs, () => this.#kill("the time of TimeoutStopSec= is over"));
    }
    if (phase === "deactivating" && until === "stopping") this.#finish({ status: 0, why: "stopping" });
  }

  #storeFds(message: Message, name: string): void {
    for (const _ of this.#store.add(message, name)) {
      this.#emit({
        event: "fd",
        timeUsec: this.#now(),
        name,
        what: `kept, ${this.#store.fds.length} of ${this.#options.fdStoreMax}`,
      });
    }
  }

  #removeFds(name: string): void {
    const count = this.#store.remove(name);
    this.#emit({ event: "fd", timeUsec: this.#now(), name, what: `${count} closed` });
  }

  #extend(ms: number): void {
    const timer =
      this.#unit.phase === "activating" ? "start" : this.#unit.phase === "deactivating" ? "stop" : undefined;
    if (timer === "start") this.#timers.set("start", ms, () => this.#fail("the time of EXTEND_TIMEOUT_USEC= is over"));
    if (timer === "stop") this.#timers.set("stop", ms, () => this.#kill("the time of EXTEND_TIMEOUT_USEC= is over"));
  }

  #watchdogIsOver(): void {
    this.#missed++;
    this.#emit({ event: "watchdog", timeUsec: this.#now(), timeoutUsec: this.#watchdog.timeoutUsec });
    this.#watchdog.start(monotonicUsec());
  }

  // --- internal ---

  #enter(phase: Unit["phase"], why?: string, timeUsec = this.#now()): void {
    const event = this.#unit.enter(phase, timeUsec, why);
    if (event) this.#emit(event);
  }

  #clearTimers(): void {
    this.#watchdog.stop();
    this.#timers.clear("start", "stop");
  }

  #now(): number {
    return monotonicUsec() - this.#startUsec;
  }

  #at(message: Message): number {
    return message.receivedUsec - this.#startUsec;
  }
}

/** systemd-system.conf(5), DefaultRestartSec=. */
const RESTART_MS = 100;

/** How long what the main process has left may take to end. */
const LEFT_OVER_MS = 2000;

/** How long it may take to read what the main process sent before its end. */
const LAST_MESSAGES_MS = 5000;

/** A file of somebody else's, who may see to it that nobody can tell what it is. */
function kindOfReceived(fd: number): FdKind {
  try {
    return kindOf(fd);
  } catch {
    return { kind: "other" };
  }
}
