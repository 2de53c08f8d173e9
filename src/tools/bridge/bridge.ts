/**
 * The service manager's end of the protocol, for machines without systemd. It starts the command, takes its
 * messages, waits, stops it, and answers for it.
 */

import { basename } from "node:path";
import { SIGHUP } from "../../../ffi/constants.ts";
import { adoptOrphans } from "../../../ffi/process.ts";
import { monotonicUsec } from "../../../ffi/syscalls.ts";
import { startTimer } from "../../bun/timers.ts";
import { childEnv } from "../../child-env.ts";
import { linkOf } from "../../linux/proc.ts";
import { formatUsec } from "../../protocol/durations.ts";
import { printable } from "../../protocol/printable.ts";
import { shorten } from "../../protocol/shorten.ts";
import { EXIT_EXEC } from "../../protocol/systemd.ts";
import { Inbox } from "../../receiver/inbox.ts";
import type { Message } from "../../receiver/message.ts";
import type { BoundSocket } from "../../receiver/private-socket.ts";
import { errorLine } from "../../report.ts";
import { listenFds } from "../../server/listen-fds.ts";
import type { UnitFacts, Verdict } from "../../verdict/types.ts";
import { watchdogTimeoutMs } from "../../watchdog.ts";
import { reapOrphans } from "../orphans.ts";
import { hasSignalledAll } from "../run/manager.ts";
import { ALL_SIGNALS, isOfTerminal, onSignals } from "../signals.ts";
import { own, prepareToStart, startProgram, untilExecuted } from "../start-program.ts";
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
  transition,
  UNBORN,
} from "../unit/lifecycle.ts";
import { handles } from "../unit/processes.ts";
import { Timers } from "../unit/timers.ts";
import { Watchdog } from "../unit/watchdog.ts";
import { Ends } from "./ends.ts";
import { Forwarder } from "./forwarder.ts";
import { MainProcess } from "./main-process.ts";
import { asOption, type BridgeOptions } from "./options.ts";
import type { Snapshot } from "./snapshot.ts";
import { StartLimit } from "./start-limit.ts";
import { Tally } from "./tally.ts";

/** Whether somebody wants the command to stop, and how far the stop has got. */
type Stop =
  | { step: "none" }
  /** It is not ready any more, but has not been told to stop yet. */
  | { step: "draining"; signal: NodeJS.Signals; delay: Disposable }
  | { step: "told"; signal: NodeJS.Signals };

export class Bridge implements Disposable {
  readonly #options: BridgeOptions;
  readonly #name: string;
  readonly #tell: (line: string) => void;
  readonly #address: string;
  readonly #inbox: Inbox;
  readonly #forwarder: Forwarder | undefined;
  /** What the manager above waits for, with --forward; else 0. */
  readonly #watchdogAboveUsec: number;
  readonly #store: FdStore;
  readonly #tally = new Tally();
  readonly #timers = new Timers<"phase">();
  readonly #watchdog = new Watchdog(() => this.#watchdogIsOver());
  readonly #done = Promise.withResolvers<void>();
  readonly #ends = new Ends();
  readonly #main = new MainProcess(() => this.#mainIsLost());
  readonly #startLimit = new StartLimit();
  #program: Bun.Subprocess | undefined;
  /** Whether the program has got a signal to end. */
  #isProgramTold = false;
  #life: Life = UNBORN;
  #sinceUsec = monotonicUsec();
  #startUsec = this.#sinceUsec;
  #readyUsec: number | undefined;
  #stop: Stop = { step: "none" };
  #facts: UnitFacts = {};
  #status = "";
  #failure: string | undefined;
  #lastEnd: End | undefined;
  /** The last line about a main process that has ended. */
  #lastLoss = "";

  /** Takes ownership of the socket. `tell` gets lines for people. */
  constructor(options: BridgeOptions, socket: BoundSocket, tell: (line: string) => void) {
    this.#options = options;
    this.#name = printable(shorten(basename(options.command[0] ?? ""), MAX_NAME_LENGTH));
    this.#tell = tell;
    this.#address = socket.address;
    const above = options.forward ? process.env.NOTIFY_SOCKET : undefined;
    this.#forwarder = above === undefined ? undefined : new Forwarder(above, tell);
    this.#watchdogAboveUsec = options.forward ? (watchdogTimeoutMs() ?? 0) * 1000 : 0;
    this.#store = new FdStore(options.fdStoreMax);
    // run() reports the error.
    this.#done.promise.catch(() => {});
    this.#inbox = new Inbox(socket, (message) => this.#take(message));
  }

  /** Starts the command. When it has ended, resolves to its exit status or the signal that killed it. */
  async run(): Promise<number | NodeJS.Signals> {
    if (process.pid !== 1) adoptOrphans();
    prepareToStart();
    // Before the start: a moment later, the command may already be up, and somebody may want it to stop.
    const noOrphans = reapOrphans(own, (pid, end) => this.#ends.add(pid, end));
    const noSignals = onSignals((signal) => this.#onSignal(signal), ALL_SIGNALS);
    try {
      this.#start();
      await this.#done.promise;
      await this.#forwarder?.flush();
    } finally {
      this.#stopClocks();
      noSignals();
      noOrphans();
    }
    return this.#exitStatus();
  }

  /** Something is wrong with the bridge itself: run() rejects. */
  fail(error: unknown): void {
    this.#done.reject(error);
  }

  /** Closes what it has open. */
  [Symbol.dispose](): void {
    this.#main[Symbol.dispose]();
    this.#inbox[Symbol.dispose]();
    this.#store.clear();
  }

  /** What the unit is doing. */
  snapshot(): Snapshot {
    const life = this.#life;
    const { messages, pings, smallestMarginUsec, ignored, restarts } = this.#tally;
    return {
      phase: life.phase,
      phaseUsec: monotonicUsec() - this.#sinceUsec,
      isRestarting: this.#isRestarting(),
      status: this.#status,
      mainPid: this.#main.isLost ? undefined : this.#mainPid(),
      stopSignal: this.#stop.step === "none" ? undefined : this.#stop.signal,
      failure: this.#failure ?? this.#whyNotLive(),
      readyUsec: this.#readyUsec,
      watchdogUsec: this.#watchdog.timeoutUsec,
      pings,
      smallestMarginUsec,
      messages,
      ignored,
      restarts,
      forward: this.#forwarder && { waiting: this.#forwarder.waiting, dropped: this.#forwarder.dropped },
    };
  }

  // --- internal: the life of the command ---

  /** Changes to the state that follows from the event, and does what that requires. */
  #happens(happening: Happening): void {
    const { type, timeoutStartMs, timeoutStopMs } = this.#options;
    const restart = this.#options.restart && this.#stop.step === "none";
    const settings = { type, timeoutStartMs, timeoutStopMs, restart, until: undefined };
    const before = this.#life;
    const { life, actions, why } = transition(before, happening, settings);
    this.#life = life;
    if (life.phase !== before.phase) {
      const now = monotonicUsec();
      this.#sinceUsec = now;
      if (before.phase === "activating" && life.phase === "active") this.#readyUsec = now - this.#startUsec;
    }
    const failure = "failure" in life ? life.failure : undefined;
    if (failure !== undefined && failure !== this.#failure) this.#failTold(failure);
    // A command that can't be executed has printed an error.
    else if (why !== undefined && why !== this.#failure && !("code" in happening && happening.code === EXIT_EXEC)) {
      this.#tell(why);
    }
    for (const action of actions) this.#do(action);
  }

  #do(action: Action): void {
    switch (action.act) {
      case "start":
        this.#restart();
        break;
      case "signal":
        if (action.signal === "SIGKILL") this.#tell(`${this.#name} is killed: ${action.why}`);
        void this.#signal(action.signal);
        break;
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
        if (action.on) this.#watchdog.start(monotonicUsec());
        else this.#watchdog.stop();
        break;
      case "go on":
        this.#happens(action.with);
        break;
      case "end":
        this.#done.resolve();
    }
  }

  #restart(): void {
    const why = this.#startLimit.refuse();
    if (why !== undefined) {
      this.#tell(why);
      this.#done.resolve();
      return;
    }
    this.#tally.restarts++;
    this.#start();
  }

  #start(): void {
    const { command, type, notifyAccess, fdStoreMax, forward } = this.#options;
    const watchdogUsec = this.#options.watchdogUsec || this.#watchdogAboveUsec;
    this.#facts = { type, notifyAccess, ...(!forward && { fdStoreMax }), watchdogUsec };
    this.#watchdog.timeoutUsec = watchdogUsec;
    this.#failure = undefined;
    this.#lastEnd = undefined;
    this.#isProgramTold = false;
    this.#lastLoss = "";
    this.#status = "";
    this.#readyUsec = undefined;
    this.#startUsec = monotonicUsec();
    const watchdog = watchdogUsec > 0 ? { WATCHDOG_USEC: `${watchdogUsec}` } : {};
    const program = startProgram(command, {
      env: { ...childEnv(), NOTIFY_SOCKET: this.#address, ...watchdog },
      fds: [...listenFds(), ...this.#store.fds],
    });
    this.#program = program;
    this.#main.start(program);
    this.#happens({ what: "started", pid: program.pid });
    program.exited.then(() => this.#ended(program)).catch(this.#done.reject);
  }

  async #ended(program: Bun.Subprocess): Promise<void> {
    // The messages that it sent before have arrived by now.
    this.#takeAll();
    const end = await this.#endOf(program);
    this.#stopClocks();
    // Otherwise the bridge has given up, because a process can't be killed.
    if (isUp(this.#life)) this.#lastEnd = end;
    this.#happens({ what: "ended", ...end });
  }

  /** Waits for the main process too. If nobody here can know how that has ended, the end of the program counts. */
  async #endOf(program: Bun.Subprocess): Promise<End> {
    for (;;) {
      const { other } = this.#main;
      const end = other && (await this.#ends.of(other, () => this.#main.other === other && isUp(this.#life)));
      // The last of its messages may have named another one.
      this.#takeAll();
      if (this.#main.other === other) {
        return end ?? { code: program.exitCode, signal: program.signalCode as string | null };
      }
    }
  }

  /** But not for ever: another process may still be sending. */
  #takeAll(): void {
    this.#inbox.takeSome(MAX_LAST);
  }

  #stopClocks(): void {
    this.#watchdog.stop();
    this.#timers.clear("phase");
    if (this.#stop.step === "draining") this.#stop.delay[Symbol.dispose]();
  }

  #watchdogIsOver(): void {
    // Then the manager above decides.
    if (this.#forwarder !== undefined && this.#options.watchdogUsec === 0) return;
    this.#abort(`no ping of the watchdog within ${formatUsec(this.#watchdog.timeoutUsec)}`);
  }

  #abort(why: string): void {
    this.#happens({ what: "abort", why: `${why}: ${this.#name} gets SIGABRT` });
  }

  #failTold(failure: string): void {
    this.#failure = failure;
    this.#tell(failure);
  }

  // --- internal: signals ---

  #onSignal(signal: NodeJS.Signals): void {
    // The command already has a signal that the terminal sent.
    if (signal === "SIGHUP") void this.#reload();
    else if (STOPS.includes(signal)) void this.#onStop(signal);
    else if (!isOfTerminal(signal)) void this.#passOn(signal);
    else if (signal === "SIGTSTP") process.kill(process.pid, "SIGSTOP");
  }

  async #onStop(signal: NodeJS.Signals): Promise<void> {
    switch (this.#stop.step) {
      case "none": {
        // Nobody sends requests to a command that was not ready.
        const { phase } = this.#life;
        const delayMs = phase === "active" || phase === "reloading" ? this.#options.drainDelayMs : 0;
        if (delayMs === 0 || isOfTerminal(signal)) return this.#tellStop(signal);
        this.#stop = { step: "draining", signal, delay: startTimer(delayMs, () => this.#tellStop(signal)) };
        const stopMs = Math.ceil(Math.min(delayMs + this.#options.timeoutStopMs, MAX_STOP_MS));
        this.#forwarder?.say({ extendTimeoutMs: stopMs });
        return;
      }
      case "draining":
        return this.#tellStop(signal);
      case "told":
        if (!isOfTerminal(signal)) await this.#passOn(signal);
    }
  }

  #tellStop(signal: NodeJS.Signals): void {
    if (this.#stop.step === "draining") this.#stop.delay[Symbol.dispose]();
    this.#stop = { step: "told", signal };
    // A second time would be SIGKILL.
    if (!isBeingStopped(this.#life) || this.#isRestarting()) this.#happens({ what: "stop", why: signal });
  }

  /** systemctl reload. */
  async #reload(): Promise<void> {
    const pid = (await this.#isExecuted()) ? this.#target() : undefined;
    if (pid === undefined) return;
    if (handles(pid, SIGHUP) !== true) {
      const why = `not reloaded: ${this.#name} has no handler for SIGHUP`;
      this.#tell(why);
      this.#forwarder?.say({ reloading: true });
      this.#forwarder?.say({ ready: true, status: why });
    } else if (this.#life.phase === "active") this.#happens({ what: "reload", usec: monotonicUsec() });
    else await this.#passOn("SIGHUP");
  }

  /** Sends the signal that the life asks for. */
  async #signal(signal: "SIGHUP" | "SIGTERM" | "SIGABRT" | "SIGKILL"): Promise<void> {
    if (signal === "SIGKILL") return this.#kill();
    let asked: NodeJS.Signals = signal;
    if (signal === "SIGTERM" && this.#stop.step !== "none") {
      asked = this.#stop.signal;
      // The terminal has signalled the command already, or a manager that signals all processes of the unit has.
      if (isOfTerminal(asked) || (await hasSignalledAll())) {
        this.#isProgramTold = true;
        return;
      }
    }
    const pid = await this.#passOn(asked);
    // As systemd does: a process that SIGSTOP has stopped would take the signal when somebody continues it.
    if (pid !== undefined) this.#send(pid, "SIGCONT");
  }

  /** Sends a signal to the process that signals are for. Returns its pid if that has got it. */
  async #passOn(signal: NodeJS.Signals): Promise<number | undefined> {
    const pid = (await this.#isExecuted()) ? this.#target() : undefined;
    if (pid === undefined) return undefined;
    if (pid === this.#program?.pid && ENDS.includes(signal)) this.#isProgramTold = true;
    return this.#send(pid, signal) ? pid : undefined;
  }

  /** The process that `MAINPID=` has named may not take the command with it. */
  #kill(): void {
    this.#isProgramTold = true;
    for (const pid of new Set([this.#target(), this.#main.runningProgram])) {
      if (pid !== undefined) this.#send(pid, "SIGKILL");
    }
  }

  #send(pid: number, signal: NodeJS.Signals): boolean {
    try {
      process.kill(pid, signal);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") this.#tell(`${signal}: ${errorLine(error)}`);
      return false;
    }
  }

  /** The command handles no signal before that. */
  #isExecuted(): Promise<boolean> {
    return this.#program === undefined ? Promise.resolve(false) : untilExecuted(this.#program);
  }

  // --- internal: messages ---

  #take(message: Message): void {
    try {
      this.#judge(message);
    } catch (error) {
      // Only this message failed, and the next one may be the command's last.
      this.#tell(`a message of process ${message.pid} can't be looked at: ${errorLine(error)}`);
    }
  }

  #judge(message: Message): void {
    const unit = { ...this.#facts, ...factsOf(this.#life), fdStored: this.#store.fds.length };
    const shared = this.#options.socket !== undefined;
    const { verdict } = inspect(message, unit, this.#mainPid(), { shared });
    for (const { what, why, cure } of this.#tally.ignore(verdict)) {
      this.#tell(`ignored ${what || "a message"}: ${why}${cure === undefined ? "" : ` (${asOption(cure)})`}`);
    }
    const isRefused = verdict.problems[0]?.what === "";
    if (!message.isBarrier) {
      this.#tally.messages++;
      this.#apply(message, verdict);
    }
    // Otherwise the manager above would accept a message that is refused here, as this process's message.
    if (!isRefused) this.#forwarder?.pass(message);
  }

  #apply(message: Message, verdict: Verdict): void {
    const changes = changesOf(message, verdict);
    const { notifyAccess, watchdogUsec, storeFds, removeFds, stopping, extendMs } = changes;
    const mainPid = this.#mainPidOf(message, changes);
    if (changes.ping) {
      this.#tally.pings++;
      const ping = this.#watchdog.ping(message.receivedUsec);
      if (ping !== undefined) this.#tally.ping(ping);
    }
    if (message.fields.RESTART_RESET === "1") this.#startLimit.reset();
    if (notifyAccess !== undefined) this.#facts.notifyAccess = notifyAccess;
    if (watchdogUsec !== undefined) this.#setWatchdog(watchdogUsec, message.receivedUsec);
    if (this.#forwarder === undefined) {
      if (storeFds !== undefined) this.#store.add(message, storeFds);
      if (removeFds !== undefined) this.#store.remove(removeFds);
    }
    if (counts(verdict, "STATUS") && "STATUS" in message.fields) this.#status = printable(message.fields.STATUS ?? "");
    if (changes.watchdogIsOver) this.#abort("WATCHDOG=trigger");
    if (mainPid !== undefined && isUp(this.#life)) this.#main.name(mainPid);
    this.#happens({ what: "said", phase: verdict.phase, mainPid, extendMs, ...(stopping && { stopping }) });
  }

  /** The sender may know processes by other pids than those here. */
  #mainPidOf({ pid }: Message, { mainPid }: Changes): number | undefined {
    if (mainPid === undefined || mainPid === process.pid) return undefined;
    const theirs = linkOf(pid, "ns/pid");
    const isForeign = pid === 0 || (theirs !== undefined && theirs !== linkOf("self", "ns/pid"));
    if (isForeign) this.#tell(`ignored MAINPID=${mainPid}: it is a number of another PID namespace`);
    if (!isForeign) this.#ends.forget(mainPid);
    return isForeign ? undefined : mainPid;
  }

  #setWatchdog(usec: number, receivedUsec: number): void {
    this.#facts.watchdogUsec = this.#watchdog.timeoutUsec = usec;
    if (this.#life.phase === "active" || this.#life.phase === "reloading") this.#watchdog.start(receivedUsec);
  }

  // --- internal: the main process ---

  /**
   * The main process has ended, and the program has not. systemd would not notice, and leave the unit active, because
   * that was not its child. The program can name another one.
   */
  #mainIsLost(): void {
    const why = this.#whyNotLive();
    if (why !== undefined && why !== this.#lastLoss) {
      this.#lastLoss = why;
      this.#tell(`${why}: it is not live until it ends or sends another MAINPID=`);
    } else if (this.#life.phase === "deactivating" && !this.#isProgramTold) void this.#signal("SIGTERM");
  }

  /** When the unit stops, the end of the main process is no news. */
  #whyNotLive(): string | undefined {
    if (!isUp(this.#life) || this.#life.phase === "deactivating" || !this.#main.isLost) return undefined;
    return `the main process ${this.#main.other?.pid} has ended, but ${this.#name} runs on`;
  }

  /** The process that gets the signals. */
  #target(): number | undefined {
    return isUp(this.#life) ? this.#main.target : undefined;
  }

  // --- internal: the end ---

  #isRestarting(): boolean {
    return "restarts" in this.#life ? this.#life.restarts : "next" in this.#life && this.#life.next === "start";
  }

  #mainPid(): number | undefined {
    return isUp(this.#life) ? this.#life.mainPid : undefined;
  }

  #exitStatus(): number | NodeJS.Signals {
    // Some process can't be killed.
    if (this.#lastEnd === undefined) return 1;
    const { code, signal } = this.#lastEnd;
    // If this ended with success, or by a signal that systemd counts as success, nobody would restart it.
    const endedWell = code === 0 || (code === null && (signal === null || CLEAN.includes(signal)));
    if (this.#failure !== undefined && endedWell) return 1;
    return signal === null ? (code ?? 0) : (signal as NodeJS.Signals);
  }
}

// --- internal ---

/** The signals that an engine sends to stop a container. STOPSIGNAL in a Dockerfile chooses one. */
const STOPS: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGQUIT"];

/** The signals that tell a program to end. */
const ENDS: readonly NodeJS.Signals[] = [...STOPS, "SIGABRT"];

/** systemd.service(5), SuccessExitStatus=. */
const CLEAN = ["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"];

/** More than a queue holds: systemd's net.unix.max_dgram_qlen. */
const MAX_LAST = 2000;

/** How much of a command's name is printed. */
const MAX_NAME_LENGTH = 60;

/** Infinity can't be sent as a time. */
const MAX_STOP_MS = 30 * 86_400_000;

function counts({ problems }: Verdict, key: string): boolean {
  return problems[0]?.what !== "" && !problems.some(({ what }) => what.startsWith(`${key}=`));
}
