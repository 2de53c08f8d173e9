/** The parsers of /proc, and the search for a socket: what they read is somebody else's, and may be anything. */

import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { parseCgroup, unitOfCgroup } from "../../../src/linux/cgroup.ts";
import { parseEnvironment, parseStat } from "../../../src/linux/proc.ts";
import { parseUnixNames } from "../../../src/linux/socket-tables.ts";
import { parseStatus } from "../../../src/tools/doctor/parse.ts";
import { lookAtSocket, walk } from "../../../src/tools/doctor/socket.ts";
import { temporaryDirectory } from "../../support/command.ts";
import { INHERITED, type Random } from "../random.ts";
import { assert, assertEqual, type Target } from "../target.ts";

interface Input {
  name: string;
  fields: string[];
  lines: [name: string, value: string][];
  sockets: [type: string, address: string][];
  cgroup: string;
  path: string;
  /** None of these, most often. */
  text: string;
}

export const proc: Target<Input> = {
  make: (random) => ({
    name: random.text(15),
    fields: random.list(50, () => random.pick(["S", "Z", `${random.below(5000)}`, random.digits().replace(/\s/g, "")])),
    lines: random.list(20, () => [random.pick(STATUS), random.once(4) ? oneLine(random.text()) : random.pick(VALUES)]),
    sockets: random.list(9, () => [random.pick(["0001", "0002", "0005", "0007", "9"]), anyAddress(random)]),
    cgroup: anyCgroup(random),
    path: random.list(12, () => random.pick(PARTS)).join("/"),
    text: random.mutate(
      random.pick([STAT, "Name:\tsh\nSigCgt:\t0000000000000000\n", "0::/x.service\n", random.text(200)]),
    ),
  }),
  open() {
    const directory = temporaryDirectory();
    makeTree(directory.path);
    return { check: (input) => check(input, directory.path), close: () => directory[Symbol.dispose]() };
  },
};

// --- internal ---

const STAT = "1 (sh) S 0 1 1 0 -1 4194560 1 2 3\n";
const STATUS = ["Name", "Groups", "NStgid", "Uid", "CapEff", "SigCgt", "Seccomp", ...INHERITED];
const VALUES = ["", " ", "0\t0\t0\t0", "1 2 3 ", "0000000000000000", "ffffffffffffffff", "2"];
const PARTS = ["", ".", "..", "a", "b", "loop", "up", "top", "deep", "nothing", "x".repeat(300), "a\0b", "é"];

function check({ name, fields, lines, sockets, cgroup, path, text }: Input, root: string): void {
  // A character for a byte.
  const rest = Buffer.from(fields.join(" ")).toString("latin1");
  const stat = parseStat(`123 (${Buffer.from(name).toString("latin1")}) ${rest}\n`);
  assertEqual(stat, { name: name.toWellFormed(), fields: rest.split(" ") }, "parseStat()");

  const status = parseStatus(lines.map(([key, value]) => `${key}:\t${value}\n`).join(""));
  assertEqual(status, Object.fromEntries(lines.map(([key, value]) => [key, value.trim()])), "parseStatus()");

  const environment = parseEnvironment(lines.map(([key, value]) => `${key}=${value}\0`).join(""));
  assertEqual(
    environment,
    new Map(lines.map(([key, value]) => [key, value] as const).toReversed()),
    "parseEnvironment()",
  );

  const table = sockets.map(
    ([type, address]) => `0000000000000000: 00000002 00000000 00010000 ${type} 01 12345 ${address}`,
  );
  const types = new Map([
    ["0001", "stream"],
    ["0002", "dgram"],
    ["0005", "seqpacket"],
  ]);
  const expected = sockets.map(([type, name]) => ({ type: types.get(type) ?? "other", name }));
  assertEqual(parseUnixNames(["Num RefCount Protocol", ...table, ""].join("\n")), expected, "parseUnixNames()");

  assertEqual(parseCgroup(`1:name=systemd:${cgroup}\n0::/\n`), cgroup === "/" ? "/" : cgroup, "parseCgroup()");
  const unit = unitOfCgroup(cgroup);
  assert(
    unit === undefined || (unit.id.endsWith(".service") && !unit.id.includes("/")),
    "unitOfCgroup()",
    cgroup,
    unit,
  );

  for (const parse of [parseStat, parseStatus, parseEnvironment, parseUnixNames, parseCgroup]) parse(text);

  const rights = { pid: process.pid, uid: 1000, groups: [1000], capabilities: 0n };
  if (!path.includes("\0") && !path.includes("xxx")) {
    const there = walk(root, path, rights);
    assert(there === undefined || typeof there.writable === "boolean", "walk()", there);
  }
  // Never more than a fact, or why it is none.
  const fact = lookAtSocket(`/${path}`, rights);
  assert(fact === undefined || "unknown" in fact || typeof fact.value.found === "string", "lookAtSocket()", fact);
}

function oneLine(text: string): string {
  return text.replace(/[\n\r\0\u2028\u2029]/g, "");
}

function anyAddress(random: Random): string {
  const address = random.pick(["/run/systemd/notify", "@name", "@", "/a b", oneLine(random.text()).trim()]);
  return address === "" ? "@" : address;
}

function anyCgroup(random: Random): string {
  const part = () =>
    random.pick(["system.slice", "a.service", "user@1000.service", "user@x.service", ...INHERITED, ".service"]);
  return `/${random.list(5, part).join("/")}${random.once(8) ? oneLine(random.text()) : ""}`;
}

/** Directories, links in a circle, links out of the tree. */
function makeTree(root: string): void {
  mkdirSync(join(root, "a/b/a/b"), { recursive: true });
  mkdirSync(join(root, "deep/".repeat(20)), { recursive: true });
  symlinkSync("loop", join(root, "loop"));
  symlinkSync("../../..", join(root, "a/up"));
  symlinkSync("/", join(root, "a/top"));
  symlinkSync("/a/top/a/b", join(root, "b"));
}
