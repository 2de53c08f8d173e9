/** The types of a verdict, and of the facts that it is based on. */

/**
 * The settings and the state of a unit that decide what happens to a message. A fact that is undefined decides
 * nothing.
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
  /** FileDescriptorStoreMax=, and how many file descriptors the store holds. */
  fdStoreMax?: number | undefined;
  fdStored?: number | undefined;
  /** WatchdogSec=, in microseconds; 0: none. */
  watchdogUsec?: number | undefined;
  /** The phase that the unit is in. */
  phase?: Phase | undefined;
  /** When a reload's signal was sent, if no RELOADING=1 has answered it yet: CLOCK_MONOTONIC in microseconds. */
  reloadUsec?: number | undefined;
  /** Whether STOPPING=1 came while the unit was activating. The unit stays in that phase. */
  saidStopping?: boolean | undefined;
  /** Whether the main process catches, blocks or ignores the signal of a reload. Type=notify-reload requires that. */
  handlesReload?: boolean | undefined;
}

/**
 * The phase that a unit is in, as systemctl names it.
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
  /** 0 if the message carries no credentials, or the credentials of a process that can't be seen. */
  pid: number;
  uid: number;
  /**
   * main: the main process. control: one of ExecStartPre=, ExecReload= and the like. member: another process of the
   * unit. stranger: a process of another unit, or of no unit. gone: it had exited before the manager looked.
   */
  role: "main" | "control" | "member" | "stranger" | "gone";
}

export interface MessageFacts {
  bytes: Uint8Array;
  /** How many file descriptors came along. */
  fdCount: number;
  sender: Sender;
  /**
   * The role of the process that MAINPID= names, if that is known. zombie: it has ended, and its parent has not waited
   * for it. other: it is not the process of MAINPIDFDID=.
   */
  mainPidRole?: Sender["role"] | "zombie" | "other" | undefined;
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
  /** What the service manager does, one sentence for each effect. */
  effects: string[];
  /** What it ignores. */
  problems: Problem[];
  /** The phase that the unit is in afterwards; undefined if that does not change. */
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
