/** The bridge's parts that read what others send: requests of HTTP, and messages that go on. */

import { readAssignments } from "../../../src/protocol/wire.ts";
import { MAX_HEADER_LENGTH, readRequest, writeResponse } from "../../../src/tools/bridge/http-request.ts";
import { withoutMainPid } from "../../../src/tools/bridge/main-pid.ts";
import { metricsOf } from "../../../src/tools/bridge/metrics.ts";
import type { Snapshot } from "../../../src/tools/bridge/snapshot.ts";
import { Tally } from "../../../src/tools/bridge/tally.ts";
import { judge } from "../../../src/verdict/judge.ts";
import type { Random } from "../random.ts";
import { assert, assertEqual, type Target } from "../target.ts";
import { messageText } from "../texts.ts";

interface Input {
  request: Uint8Array;
  message: Uint8Array;
}

export const bridge: Target<Input> = {
  make: (random) => ({ request: random.bytes(requestText(random)), message: random.bytes(messageText(random)) }),
  open: () => {
    const tally = new Tally();
    return {
      check({ request, message }) {
        checkRequest(request);
        checkForwarded(message);
        checkMetrics(tally, message);
      },
    };
  },
};

// --- internal ---

function checkRequest(bytes: Uint8Array): void {
  const read = readRequest(bytes);
  if (read === "incomplete") {
    assert(bytes.length < MAX_HEADER_LENGTH, "it is waited for more", bytes.length);
    return;
  }
  if ("path" in read) {
    assert(read.method === "GET" || read.method === "HEAD", "another method", read);
    assert(/^[!-~]+$/.test(read.path) && !/[?#]/.test(read.path), "no path", read);
    return;
  }
  const text = writeResponse(read, true).toString();
  const [, length, body] =
    /^HTTP\/1\.1 4\d\d [\w ]+\r\n(?:.+\r\n)*?Content-Length: (\d+)\r\n(?:.+\r\n)*\r\n(.*)$/s.exec(text) ?? [];
  assert(Number(length) === body?.length, "no response", text);
}

function checkForwarded(bytes: Uint8Array): void {
  // That one is refused as a whole.
  if (bytes.includes(0)) return;
  const latin1 = (some: Uint8Array) => readAssignments(Buffer.from(some).toString("latin1"));
  const expected = latin1(bytes);
  for (const key of ["MAINPID", "MAINPIDFDID", "MAINPIDFD"]) expected.delete(key);
  assertEqual([...latin1(withoutMainPid(bytes))], [...expected], "what goes on");
}

const LINE =
  /^(?:#.*|sd_notify_\w+(?:\{\w+="(?:[^"\\\n]|\\[\\"n])*"(?:,\w+="(?:[^"\\\n]|\\[\\"n])*")*\})? -?[\d.e+-]+)$/;

function checkMetrics(tally: Tally, bytes: Uint8Array): void {
  const verdict = judge({ bytes, fdCount: 0, sender: { pid: 2, uid: 0, role: "main" } }, { watchdogUsec: 0 });
  const before = sum(tally);
  tally.ignore(verdict);
  assert(sum(tally) === before + verdict.problems.length, "the count is wrong", tally.ignored, verdict);
  assert(tally.ignored.length <= 41, "too many reasons", tally.ignored.length);
  for (const line of metricsOf({ ...SNAPSHOT, ignored: tally.ignored })
    .trimEnd()
    .split("\n")) {
    assert(LINE.test(line) && line.length < 1000, "no line of Prometheus'", line);
  }
}

function sum({ ignored }: Tally): number {
  return ignored.reduce((total, { count }) => total + count, 0);
}

const SNAPSHOT: Snapshot = {
  phase: "active",
  phaseUsec: 1,
  isRestarting: false,
  status: "",
  mainPid: 2,
  stopSignal: undefined,
  failure: undefined,
  readyUsec: 1,
  watchdogUsec: 0,
  pings: 0,
  smallestMarginUsec: undefined,
  messages: 0,
  ignored: [],
  restarts: 0,
  forward: { waiting: 0, dropped: 0 },
};

function requestText(random: Random): string {
  const method = random.pick(["GET", "HEAD", "POST", "get", "", random.text(8)]);
  const target = random.pick(["/livez", "/", "*", "http://x/livez?y", "/a#b", `/${random.text()}`, "/x".repeat(5000)]);
  const version = random.pick(["HTTP/1.1", "HTTP/1.0", "HTTP/2", random.text(8)]);
  const headers = random.list(8, () => `${random.text(10)}: ${random.text()}`);
  const end = random.pick(["\r\n", "\n", "\r", ""]);
  const text = [`${method} ${target} ${version}`, ...headers, "", ""].join(end);
  return random.once(3) ? random.mutate(text) : text;
}
