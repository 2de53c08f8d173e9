/** What the doctor knows: facts, or why they can't be found. The checks use nothing else. */

import type { Configuration } from "./configuration-facts.ts";
import type { Speech } from "./speech-facts.ts";

/** A fact may be hidden because a right or a program is missing, or because a process has ended. */
export type Fact<T> = { value: T } | { unknown: string };

export interface Facts {
  /** What is looked at: "server.service", "process 123 (bun)". */
  subject: string;
  /** The unit, if one was named or found. */
  unit?: Fact<Unit>;
  /** The process that was named; undefined if only the unit's processes are looked at. */
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
  /** The executable; undefined if it is hidden. */
  program?: string | undefined;
  /** Whether it is Bun, or a program compiled by Bun; undefined if that is hidden. */
  isBun?: boolean | undefined;
  environment: Fact<Environment>;
  /** What the address in its $NOTIFY_SOCKET leads to; undefined if there is no address that can be looked at. */
  socket?: Fact<SocketFacts> | undefined;
  /** The container runtime around it. */
  container?: string | undefined;
  /** Whether a seccomp filter is in force. */
  filtered: boolean;
  /** The signals that it handles, or blocks to read them from a signalfd: bit 0 is signal 1. */
  caught: bigint;
  /** The signals that it ignores. */
  ignored?: bigint;
  /** A letter of proc_pid_stat(5): "T" is stopped by a signal. */
  state?: string | undefined;
  /** Its environment has been overwritten, as by setproctitle(3). A variable that is missing now may have been set. */
  overwritten?: boolean;
  /** Its open file descriptors; undefined if they are hidden. */
  openFds?: readonly number[] | undefined;
  /** Its working directory; undefined if it is hidden. */
  directory?: string | undefined;
  /** Its cgroup, as in proc(5). */
  cgroup: string;
}

export interface SocketFacts {
  /** What is found, in the mount or network namespace of the process. */
  found: "socket" | "nothing" | "nobody" | "other";
  /** Whether it was found in the service manager's namespace instead. */
  elsewhere?: boolean | undefined;
  /** "other" is known to be no datagram socket; undefined where it can't be told. */
  type?: "datagram" | "stream" | "seqpacket" | "other" | undefined;
  /** If the type can't be told: what /proc/net/unix says of it, which anybody can forge. */
  claimed?: readonly string[] | undefined;
  /** Whether the process may write to it; undefined for abstract names, which have no permissions. */
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
  /** DynamicUser=yes: its user, and its group, are there only while it runs. */
  dynamicUser: boolean;
  group: string;
  workingDirectory: string;
  /** ExecStart=, as it stands in the unit file; undefined if the file can't be read. */
  execStart?: readonly string[] | undefined;
  /** What its files say, and what systemd has made of them. */
  configuration: Configuration;
  /** Whether its processes can send at all. It is looked up only for a unit that waits for READY=1. */
  speech: readonly Speech[];
  /** The path of sd-notify, for a line of the unit. */
  command: string;
  processes: Fact<Process[]>;
  /** What the manager has logged about messages since the unit was started. */
  journal: Fact<JournalLine[]>;
  /** LogLevel= of the manager. */
  logLevel: string;
  /** How it came to its present state. */
  life: Life;
}

export interface JournalLine {
  text: string;
  /** Whether the line is about this unit; false: the line names no known unit. */
  ours: boolean;
}

/** What became of a unit and its commands. */
export interface Life {
  /** Why it was not loaded, in the manager's words. */
  loadError: string;
  /** Those of Exec*=, in the order in which they run. */
  commands: readonly Command[];
  /** Its settings about how it starts and ends: every value, as it stands in the files. */
  settings: Readonly<Record<string, readonly string[]>>;
  /** The main process, or the last one; 0: there was none. */
  execMain: { pid: number; code: Ending; status: number; ranForUsec?: number | undefined };
  busName: string;
  pidFile: string;
  remainAfterExit: boolean;
  restart: string;
  restartUsec?: number | undefined;
  /** How often it was restarted automatically since somebody last started it. */
  restarts: number;
  startLimit: { burst: number; intervalUsec?: number | undefined };
  /** undefined: none. */
  stopTimeoutUsec?: number | undefined;
  runtimeMaxUsec?: number | undefined;
  killSignal: number;
  killMode: string;
  reloadResult: string;
  frozen: boolean;
  memoryMax: string;
  /** Units that start it: timers, sockets, paths. */
  triggeredBy: readonly string[];
  triggers: readonly string[];
  /** For how long it has been in its state. */
  stateForUsec?: number | undefined;
  /** Whether it has been active since it was started last. */
  wasActive: boolean;
  /** The job that is under way, and what it waits for. */
  job?: Job | undefined;
  /** The units without which it does not start. */
  needs: readonly Need[];
  /** "enabled", "disabled", "static" */
  unitFileState: string;
  /** Its Condition…= and Assert…= lines. */
  conditions: readonly string[];
  /** What the manager said of it, oldest first. */
  said: Fact<readonly SaidLine[]>;
  /** What its processes wrote, oldest first. */
  output: Fact<readonly OutputLine[]>;
  /** Missing paths in its mount namespace: systemd's message names the other end of a bind mount. */
  missingPaths: readonly string[];
  /** The program of the command that failed or would be started; undefined if it can't be looked at. */
  program?: ProgramFile | undefined;
}

/** As in `systemctl show`. */
export type Ending = "" | "exited" | "killed" | "dumped";

export interface Command {
  /** "ExecStartPre" */
  setting: string;
  path: string;
  /** Its arguments, as systemctl shows them: joined by blanks. */
  line: string;
  /** It has the prefix "-": its failure does not count. */
  ignored: boolean;
  /** 0: it has not been run. */
  pid: number;
  ended: Ending;
  /** An exit status, or a signal. */
  status: number;
}

export interface Job {
  /** "start" */
  type: string;
  state: "waiting" | "running";
  /** The units whose jobs must end first, without those that wait themselves. */
  waitsFor: readonly Need[];
}

/** Another unit, as this one needs it. */
export interface Need {
  id: string;
  /** "Requires"; or "After", for a job that is waited for. */
  by: string;
  loadState: string;
  activeState: string;
  subState: string;
  type: string;
  result: string;
}

export interface SaidLine {
  text: string;
  /** Which start of the unit it is about. */
  invocation: string;
  /** When, by CLOCK_MONOTONIC. */
  usec: number;
}

export interface OutputLine {
  text: string;
  pid: number;
  /** Empty if journald was too late to see it. */
  invocation: string;
  usec: number;
  /** A systemd process wrote it, before it executed a command. */
  ofSystemd: boolean;
}

/** A file that a command executes. */
export interface ProgramFile {
  path: string;
  found: "file" | "directory" | "other" | "nothing";
  /** Some may execute it. */
  executable: boolean;
  /** It begins with "#!" or is a binary. */
  format?: "script" | "binary" | "text" | undefined;
  /** After "#!". */
  interpreter?: string | undefined;
  interpreterFound?: boolean | undefined;
  /** A directory above it, or above its interpreter, that not everybody may enter. */
  closed?: string | undefined;
  /** A program of the same name in $PATH. */
  namesake?: string | undefined;
}

export interface Self {
  /** Why libc can't be called; undefined if it can. */
  ffi?: string | undefined;
  /** Whether a socket could be connected to $NOTIFY_SOCKET; undefined if there is nothing to connect to. */
  connection?: Fact<"connected"> | undefined;
  pid: number;
  parent: number;
  /** The process that called the command: not bunx or a similar launcher, even if that is the parent. */
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
