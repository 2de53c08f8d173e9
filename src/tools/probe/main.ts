/** `sd-notify probe`: asks the bridge of this container, for Docker's HEALTHCHECK and exec probes of Kubernetes. */

import { AF_UNIX, EAGAIN, ECONNREFUSED, POLLIN, SOCK_NONBLOCK, SOCK_SEQPACKET } from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/errno.ts";
import { peerOf } from "../../../ffi/process.ts";
import * as sys from "../../../ffi/syscalls.ts";
import { print } from "../../console/output.ts";
import { UsageError } from "../../console/usage-error.ts";
import { decodeText } from "../../protocol/wire.ts";
import { parse, parseCount, parseTime, type Tool } from "../options.ts";
import { namesIn } from "./address.ts";

const QUESTIONS = ["live", "ready", "started"] as const;

export const tool = {
  name: "probe",
  description: "Ask the bridge whether its command is ready",
  operand: "[live|ready|started]",
  options: {
    pid: { type: "string", hint: "PID", help: "Ask this bridge, where several run" },
    timeout: { type: "string", hint: "TIME", help: "How long to wait for its answer [default: 1 s]" },
    help: { type: "boolean", short: "h", help: "Show this help" },
  },
  footer:
    "ready [default]: READY=1 has come, and it is not stopping. live: it runs, and is not being ended for a fault. " +
    "started: READY=1 has come once.\n\nIt prints one line why. Exit status: 0 yes, 1 no.",
} as const satisfies Tool;

export async function main(args: readonly string[]): Promise<number> {
  const { values, operands, command = [] } = parse(tool, args);
  const [question = "ready", ...more] = [...operands, ...command];
  if (!QUESTIONS.some((known) => known === question) || more.length > 0) {
    throw new UsageError(`${[question, ...more].join(" ")}: it must be one of ${QUESTIONS.join(", ")}`);
  }
  const pid = values.pid === undefined ? undefined : parseCount("pid", values.pid, 1);
  const timeoutMs = values.timeout === undefined ? TIMEOUT_MS : parseTime("timeout", values.timeout);
  const answers = ask(pid, performance.now() + timeoutMs);
  const [, yes, why = ""] =
    answers.map((line) => /^(\w+) ([01]) (.*)$/.exec(line)?.slice(1) ?? []).find(([name]) => name === question) ?? [];
  if (yes === undefined) throw new Error(`the bridge does not know whether it is ${question}`);
  print(`${why}\n`);
  return yes === "1" ? 0 : 1;
}

// --- internal ---

const TIMEOUT_MS = 1000;
const RETRY_MS = 1;

/** A bridge that took the connection. */
interface Bridge {
  fd: number;
  pid: number;
}

function ask(pid: number | undefined, deadline: number): string[] {
  const bridges = connectAll(pid, deadline);
  try {
    const bridge = choose(bridges, pid);
    if (sys.poll(bridge.fd, POLLIN, deadline - performance.now()) === 0) {
      throw new Error(`the bridge, process ${bridge.pid}, has not answered in time`);
    }
    const { data } = sys.tryRecvmsg(bridge.fd) ?? { data: new Uint8Array() };
    if (data.length === 0) throw new Error(`the bridge, process ${bridge.pid}, does not answer this user`);
    return decodeText(data).split("\n");
  } finally {
    for (const { fd } of bridges) sys.close(fd);
  }
}

/** Connects to bridges that can be trusted: this user's, root's, PID 1 of the container, or the one that was named. */
function connectAll(pid: number | undefined, deadline: number): Bridge[] {
  const table = decodeText(sys.readFile("/proc/net/unix"));
  const bridges: Bridge[] = [];
  const names = namesIn(table, pid !== undefined);
  // Those that answer at once come first: somebody else's may be busy for ever.
  const busy: string[] = [];
  const tries = (function* () {
    for (const name of names) yield { name, until: 0 };
    if (bridges.length === 0) for (const name of busy) yield { name, until: deadline };
  })();
  for (const { name, until } of tries) {
    const fd = connect(name, until);
    if (fd === undefined) {
      if (until === 0) busy.push(name);
      continue;
    }
    const peer = peerOf(fd);
    const isTrusted = peer.pid > 0 && (peer.uid === 0 || peer.uid === process.geteuid?.() || peer.pid === 1);
    if (pid === undefined ? isTrusted : peer.pid === pid) bridges.push({ fd, pid: peer.pid });
    else sys.close(fd);
  }
  return bridges;
}

function connect(name: string, deadline: number): number | undefined {
  const fd = sys.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK);
  for (;;) {
    try {
      sys.connect(fd, { family: "unix", path: Buffer.from(`\0${name}`) }, `@${name}`);
      return fd;
    } catch (error) {
      // Many others ask.
      const isBusy = isErrno(error, EAGAIN) && performance.now() < deadline;
      if (isBusy) Bun.sleepSync(RETRY_MS);
      else {
        sys.close(fd);
        if (isErrno(error, EAGAIN, ECONNREFUSED)) return undefined;
        throw error;
      }
    }
  }
}

function choose(bridges: readonly Bridge[], pid: number | undefined): Bridge {
  const [first, ...more] = bridges;
  const init = bridges.find((bridge) => bridge.pid === 1);
  if (init !== undefined) return init;
  if (first === undefined) {
    throw new Error(
      pid === undefined
        ? "no bridge runs here: start the command of the container by sd-notify bridge -- CMD"
        : `process ${pid} is no bridge`,
    );
  }
  if (more.length === 0) return first;
  const pids = bridges.map((bridge) => bridge.pid).sort((a, b) => a - b);
  throw new Error(`several bridges run here, processes ${pids.join(", ")}: --pid= says which`);
}
