/** What the doctor knows: facts that were found, or why they can't be. The checks are made of these alone. */

import type { Configuration } from "./configuration-facts.ts";
import type { Speech } from "./speech-facts.ts";

/** A fact may be hidden: by missing rights, a missing program, a process that has gone. */
export type Fact<T> = { value: T } | { unknown: string };

export interface Facts {
  /** What is looked at: "server.service", "process 123 (bun)". */
  subject: string;
  /** The unit, where one was named or found. */
  unit?: Fact<Unit>;
  /** A process that was named; undefined where only the unit's are looked at. */
  process?: Fact<Process>;
  /** What only this very process can find out. */
  self?: Self;
}

/** The variables by which the service manager speaks to a process. No others are kept. */
export const VARIABLES = [
  "NOTIFY_SOCKET",
  "WATCHDOG_USEC",
  "WATCHDOG_PID",
  "LISTEN_FDS",
  "LISTEN_PID",
  "container",
] as const;
export type Environment = Partial<Record<(typeof VARIABLES)[number], string>>;

export interface Process {
  pid: number;
  /** As in ps(1). */
  name: string;
  parent: number;
  uid: number;
  /** What it was started as. */
  command: readonly string[];
  /** The executable; undefined where that is hidden. */
  program?: string | undefined;
  /** Whether it is Bun, or a program that was compiled by it; undefined where that is hidden. */
  isBun?: boolean | undefined;
  environment: Fact<Environment>;
  /** What the address in its $NOTIFY_SOCKET leads to; undefined where there is none that could be looked at. */
  socket?: Fact<SocketFacts> | undefined;
  /** The container runtime around it. */
  container?: string | undefined;
  /** Whether a seccomp filter is in force. */
  filtered: boolean;
  /** The signals that it handles, or blocks to read them from a signalfd: bit 0 is signal 1. */
  caught: bigint;
  /** Its open file descriptors; undefined where they are hidden. */
  openFds?: readonly number[] | undefined;
  /** Its working directory; undefined where that is hidden. */
  directory?: string | undefined;
  /** Its cgroup, as in proc(5). */
  cgroup: string;
}

export interface SocketFacts {
  /** What is found, in the mount or network namespace of the process. */
  found: "socket" | "nothing" | "nobody" | "other";
  /** Whether it was found in the service manager's namespace instead. */
  elsewhere?: boolean | undefined;
  /** undefined where it can't be told. */
  type?: "datagram" | "stream" | "seqpacket" | undefined;
  /** Whether the process may write to it; undefined for abstract names, which know no rights. */
  writable?: boolean | undefined;
  /** The root directory that the process has been given, as by chroot(8). */
  root?: string | undefined;
}

export interface Unit {
  id: string;
  description: string;
  manager: "system" | "user";
  /** Of systemd. */
  version: number;
  loadState: string;
  activeState: string;
  subState: string;
  /** How the last start, or the service, ended. */
  result: string;
  type: string;
  notifyAccess: string;
  mainPid: number;
  controlPid: number;
  /** TimeoutStartSec=; undefined: none. */
  startTimeoutUsec?: number | undefined;
  /** How long ago it was started. */
  startedForUsec?: number | undefined;
  /** WatchdogSec=; 0: none. */
  watchdogUsec: number;
  fdStoreMax: number;
  fdStored: number;
  reloadSignal: number;
  hasExecReload: boolean;
  restrictAddressFamilies: string;
  systemCallFilter: string;
  memoryDenyWriteExecute: boolean;
  privateNetwork: boolean;
  /** OpenFile= has a socket named "notify". */
  passesSocket: boolean;
  /** NOTIFY_SOCKET in Environment=. */
  environmentSocket?: string | undefined;
  user: string;
  group: string;
  workingDirectory: string;
  /** ExecStart=, as it stands in the unit file; undefined where that can't be read. */
  execStart?: readonly string[] | undefined;
  /** What its files say, and what systemd has made of them. */
  configuration: Configuration;
  /** Whether its processes can send at all: of one that READY=1 is waited for from. */
  speech: readonly Speech[];
  /** The path of sd-notify, for a line of the unit. */
  command: string;
  processes: Fact<Process[]>;
  /** What the manager wrote to the journal of messages since the unit was started. */
  journal: Fact<JournalLine[]>;
  /** LogLevel= of the manager. */
  logLevel: string;
}

export interface JournalLine {
  text: string;
  /** Whether the line is about this unit; false: about none that is known. */
  ours: boolean;
}

export interface Self {
  /** Why libc can't be called; undefined where it can. */
  ffi?: string | undefined;
  /** Whether a socket could be connected to $NOTIFY_SOCKET; undefined where there is nothing to connect to. */
  connection?: Fact<"connected"> | undefined;
  pid: number;
  parent: number;
  /** Who called the command: beyond bunx and its likes, not the parent. */
  caller: number;
  callerName: string;
  /** Whether it may send as its caller: CAP_SYS_ADMIN. */
  privileged: boolean;
}

/** One line of the checklist. */
export interface Check {
  /** Which of the checks it is: "type", "access", "socket". */
  name: string;
  result: "passed" | "failed" | "unknown" | "note";
  /** What was looked at, and what it is. */
  what: string;
  why?: string;
  /** What to change: a line of the unit file, or a command. */
  cure?: string;
}
