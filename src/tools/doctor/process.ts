/** Gathers what /proc tells of a process: proc(5). */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { parseCgroup } from "../../linux/cgroup.ts";
import { directoryOf, linkOf, nameOf, parseEnvironment, readBytes, readText } from "../../linux/proc.ts";
import { type Environment, type Fact, type Process, VARIABLES } from "./facts.ts";
import { parseStatus } from "./parse.ts";
import { lookAtSocket } from "./socket.ts";

/** Looks at a process. */
export function gatherProcess(pid: number): Fact<Process> {
  const text = readText(pid, "status");
  if (text === undefined) return { unknown: `there is no process ${pid}` };
  const status = parseStatus(text);
  const [uid = 0] = (status.Uid?.split(/\s+/).slice(1) ?? []).map(Number);
  const gid = Number(status.Gid?.split(/\s+/)[1] ?? 0);
  const groups = [gid, ...(status.Groups?.split(/\s+/).filter(Boolean).map(Number) ?? [])];
  const cgroup = parseCgroup(readText(pid, "cgroup") ?? "");
  const { environment, overwritten } = gatherEnvironment(pid, uid);
  const address = "value" in environment ? environment.value.NOTIFY_SOCKET : undefined;
  const rights = { pid, uid, groups, capabilities: BigInt(`0x${status.CapEff ?? "0"}`) };
  const program = linkOf(pid, "exe")?.replace(/ \(deleted\)$/, "");
  return {
    value: {
      pid,
      name: nameOf(pid),
      parent: Number(status.PPid ?? 0),
      uid,
      command: (readBytes(pid, "cmdline") ?? "").replace(/\0$/, "").split("\0"),
      program,
      isBun: isBun(pid, program),
      environment,
      socket: address === undefined ? undefined : lookAtSocket(address, rights),
      container: containerOf(pid, cgroup, environment),
      filtered: status.Seccomp === "2",
      caught: BigInt(`0x${status.SigCgt ?? "0"}`) | BigInt(`0x${status.SigBlk ?? "0"}`),
      ignored: BigInt(`0x${status.SigIgn ?? "0"}`),
      state: status.State?.[0],
      overwritten,
      openFds: openFdsOf(pid),
      directory: directoryOf(pid),
      cgroup,
    },
  };
}

// --- internal ---

function openFdsOf(pid: number): number[] | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`).map(Number);
  } catch {
    return undefined;
  }
}

function gatherEnvironment(pid: number, uid: number): { environment: Fact<Environment>; overwritten: boolean } {
  let text: string;
  try {
    // This process may have more variables than it was started with: Bun reads .env.
    text = readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return unreadable(`process ${pid} has ended`);
    const who = uid === 0 ? "root" : `root, or as user ${uid}`;
    return unreadable(`no right to read the environment of process ${pid}: run this as ${who}`);
  }
  const all = parseEnvironment(text);
  const environment: Environment = {};
  for (const name of VARIABLES) {
    const value = all.get(name);
    if (value !== undefined) environment[name] = value;
  }
  return { environment: { value: environment }, overwritten: isOverwritten(text) };
}

function unreadable(why: string) {
  return { environment: { unknown: why }, overwritten: false };
}

/** An environment that a title has overwritten is not a list of assignments any more. */
function isOverwritten(text: string): boolean {
  if (text === "") return false;
  return text
    .replace(/\0$/, "")
    .split("\0")
    .some((assignment) => !/^[^=]+=/.test(assignment));
}

/** Recognizes Bun by the name of the program, or by threads that every Bun has, even in a compiled program. */
function isBun(pid: number, program: string | undefined): boolean | undefined {
  if (program === undefined) return undefined;
  if (/^bunx?(\.exe|-debug|-profile)?$/.test(basename(program))) return true;
  try {
    const threads = readdirSync(`/proc/${pid}/task`).map((tid) => readText(pid, `task/${tid}/comm`) ?? "");
    return threads.some((name) => /^(Bun Pool|mi-scavenger|JITWorker|HeapHelper)/.test(name));
  } catch {
    return undefined;
  }
}

/** A container for one program. A container with its own systemd, as from systemd-nspawn, counts as a machine. */
function containerOf(pid: number, cgroup: string, environment: Fact<Environment>): string | undefined {
  const said = "value" in environment ? environment.value.container : undefined;
  if (said !== undefined && !/^(systemd-nspawn|lxc)/.test(said)) return said;
  const root = `/proc/${pid}/root`;
  if (existsSync(`${root}/.dockerenv`)) return "docker";
  if (existsSync(`${root}/run/.containerenv`)) return "podman";
  return /(?:^|\/)(docker|libpod|crio|cri-containerd|kubepods)[-./]/.exec(cgroup)?.[1]?.replace("libpod", "podman");
}
