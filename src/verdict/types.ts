/** What a verdict is about, and what it says. */

/**
 * The settings and the state of a unit that decide what becomes of a message. A fact that is undefined decides nothing.
 *
 * @example
 * const facts: UnitFacts = { type: "notify", watchdogUsec: 0, phase: "active" };
 * using receiver = openReceiver({ unit: facts });
 */
export interface UnitFacts {
  /** Type= */
  type?: string | undefined;
  /** NotifyAccess= */
  notifyAccess?: "none" | "main" | "exec" | "all" | undefined;
  /** FileDescriptorStoreMax=, and how many the store holds. */
  fdStoreMax?: number | undefined;
  fdStored?: number | undefined;
  /** WatchdogSec=, in microseconds; 0: none. */
  watchdogUsec?: number | undefined;
  /** What the unit is at. */
  phase?: Phase | undefined;
  /** When the signal of a reload was sent that no RELOADING=1 has answered yet: CLOCK_MONOTONIC in microseconds. */
  reloadUsec?: number | undefined;
  /** Whether STOPPING=1 has come while the unit was activating, which it goes on being. */
  saidStopping?: boolean | undefined;
  /** Whether the main process catches, blocks or ignores the signal of a reload, which Type=notify-reload asks for. */
  handlesReload?: boolean | undefined;
}

/**
 * What a unit is at, as systemctl names it.
 *
 * @example
 * using receiver = openReceiver({ unit: { type: "notify" } });
 * notify({ ready: true }, { socket: receiver.address });
 * const phase: Phase | undefined = (await receiver.next()).verdict.phase;
 * console.log(phase);
 */
export type Phase = "activating" | "active" | "reloading" | "deactivating";

/** Who sent a message, as the service manager sees it. */
export interface Sender {
  /** 0 where the message carries no credentials, or those of a process that can't be seen. */
  pid: number;
  uid: number;
  /**
   * main: the main process. control: one of ExecStartPre=, ExecReload= and their likes. member: another
   * process of the unit. stranger: a process of no unit, or of another. gone: it had exited when the manager
   * looked.
   */
  role: "main" | "control" | "member" | "stranger" | "gone";
}

export interface MessageFacts {
  bytes: Uint8Array;
  /** How many file descriptors came along. */
  fdCount: number;
  sender: Sender;
  /** What the process that MAINPID= names is to the unit, where that is known. */
  mainPidRole?: Sender["role"] | undefined;
}

/**
 * What systemd would do with a message.
 *
 * @example
 * using receiver = openReceiver();
 * notify({ ready: true }, { socket: receiver.address });
 * const verdict: Verdict = (await receiver.next()).verdict;
 * console.log(verdict.effects);
 */
export interface Verdict {
  /** What the service manager does, a sentence each. */
  effects: string[];
  /** What it ignores. */
  problems: Problem[];
  /** What the unit is at when it has done so; undefined: what it was at. */
  phase?: Phase | undefined;
}

/**
 * What systemd would ignore, and why.
 *
 * @example
 * using receiver = openReceiver({ unit: { watchdogUsec: 0 } });
 * notify({ watchdog: true }, { socket: receiver.address });
 * const problems: Problem[] = (await receiver.next()).verdict.problems;
 * console.log(problems.map(({ what, why, cure }) => `${what}: ${why}; ${cure}`));
 */
export interface Problem {
  /** What is ignored: the whole message (""), "fds", or an assignment. */
  what: string;
  why: string;
  /** What to change: a line of the unit file, or the message as it should be. */
  cure?: string | undefined;
}
