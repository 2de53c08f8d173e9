/** Units that the doctor is shown: broken ones, with what it has to say and the cure, and healthy ones. */

import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { titled } from "../support/command.ts";
import { describeMany, exec, type Machine, Unit } from "./machine.ts";
import { record } from "./scores.ts";

/** What a scenario may use in its files: names of its own, and programs. */
export interface My {
  machine: Machine;
  /** "sdnotifytest-1-0-2", for units of the scenario's own. */
  name: string;
  /** "sdnotifytest-1-0-2.service": the unit that is shown to the doctor, unless `subject` names another. */
  unit: string;
  /** A directory of its own, which is there. */
  directory: string;
  /** The command under test. */
  command: string;
  /** A TCP port that was free a moment ago. */
  port: number;
  /** The command line of a Bun that runs this code; `notify`, `startWatchdog` and `watchdogTimeoutMs` of the library are there. */
  bun(code: string): string;
  /** The command line of a shell that runs this script; "$N" is the command. */
  sh(script: string): string;
}

/**
 * Texts by path: what is relative is in /run/systemd/system, so "x.service", "x.service.d/y.conf" and "x.socket"
 * are units.
 */
export type Files = Record<string, string>;

export interface Scenario {
  title: string;
  /** `my.unit` is to be among them. */
  files(my: My): Files;
  /** Why it can't be tried with this manager. */
  skip?(machine: Machine): string | false | undefined;
  /** What is shown to the doctor; `my.unit` if undefined. */
  subject?(my: My): string;
  /** How it is brought into its state; starts the unit without waiting if undefined. */
  arrive?(unit: Unit, my: My): Promise<unknown>;
  /** What the manager then shows, which is waited for. */
  state?: Record<string, string | RegExp>;
  /** No other that is alone runs at the same time on this manager: for those that need, or dread, a daemon-reload. */
  alone?: boolean;
  /** What ends that is not the unit's; the unit is stopped, and its files are removed, without it. */
  after?(my: My): Promise<unknown>;
}

export interface Broken extends Scenario {
  /** What the doctor must say: in the first line, or in one that begins with FAILED. */
  cause: RegExp;
  /** What is done about it: undefined does what the doctor's own words say; a text says why nothing can be. */
  cure?: string | ((said: Said, my: My) => Cure | Promise<Cure>);
  /** What the manager shows then; active if undefined. */
  cured?: Record<string, string | RegExp>;
}

export interface Healthy extends Scenario {
  /** What else is to be said. */
  says?: RegExp;
}

/** What is done about a unit that is broken, between its stop and its start. */
export interface Cure {
  /** Lines of [Service] for a drop-in that comes last. */
  lines?: string[];
  /** Files that are written anew. */
  files?: Files;
  /** Commands for a shell beside the manager. */
  commands?: string[];
}

/** The report, as it is printed. */
export interface Said {
  code: number | null;
  text: string;
  /** The first line. */
  summary: string;
  failed: { text: string; cure?: string }[];
  /** The failure whose text, or whose cure, has the cause. */
  cause?: { text: string; cure?: string } | undefined;
}

export function brokenUnits(title: string, scenarios: readonly Broken[]): void {
  define(title, scenarios, async (scenario, my, unit) => {
    const score = { kind: "broken", title: scenario.title, manager: managerOf(my) } as const;
    let right = false;
    let first = false;
    let cured = false;
    const incurable = typeof scenario.cure === "string" ? scenario.cure : undefined;
    try {
      const said = await untilSaid(scenario, my);
      right = true;
      first = scenario.cause.test(said.summary);
      if (incurable !== undefined) return;
      const cure = typeof scenario.cure === "function" ? await scenario.cure(said, my) : fromWords(said);
      await stop(unit);
      install(my, { ...cure.files, ...(cure.lines && { [`${my.unit}.d/zz-cure.conf`]: dropIn(cure.lines) }) });
      for (const command of cure.commands ?? []) await my.machine.run(["sh", "-c", command]);
      await unit.start("--no-block");
      await unit
        .until({ Job: "", ...(scenario.cured ?? { ActiveState: "active" }) }, { timeoutMs: PATIENCE_MS })
        .catch((error: Error) => {
          throw new Error(`the cure did not help: ${JSON.stringify(cure)}\n${error.message}`);
        });
      cured = true;
    } finally {
      record({ ...score, right, first, ...(incurable === undefined ? { cured } : { incurable }) });
    }
  });
}

export function healthyUnits(title: string, scenarios: readonly Healthy[]): void {
  define(title, scenarios, async (scenario, my) => {
    const { code, text, failed } = await ask(scenario, my);
    const right = code === 0 && failed.length === 0;
    record({ kind: "healthy", title: scenario.title, manager: managerOf(my), right });
    expect({ code, failed }).toEqual({ code: 0, failed: [] });
    if (scenario.says) expect(text).toMatch(scenario.says);
  });
}

/** A drop-in of [Service]. */
export function dropIn(lines: readonly string[]): string {
  return `[Service]\n${lines.join("\n")}\n`;
}

/** The cure of the doctor's words: settings, or commands, of what it names first; "A=1 and B=2" are both. */
export function fromWords({ cause, text }: Said): Cure {
  const words = (cause?.cure ?? "").split(/, or |; or |, where |, in |, as a /)[0] ?? "";
  const parts = words.split(/ and (?=[A-Z][A-Za-z]+=|systemctl )|, then /);
  const settings = parts.filter((part) => /^[A-Z][A-Za-z]+=/.test(part) && !/^ExecStart= without/.test(part));
  const lines = settings
    .map((part) => part.replace(/^(\w+=) without .*/, "$1"))
    // What a drop-in says of a list is added, unless what stands before is taken back.
    .flatMap((line) => (RESET.test(line) ? [line.replace(/=.*/s, "="), line] : [line]));
  const commands = parts.filter((part) => /^(systemctl|chmod|mkdir|useradd) /.test(part));
  if (lines.length + commands.length === 0)
    throw new Error(`no cure can be read from ${JSON.stringify(cause)}\n${text}`);
  return { lines, commands };
}

// --- internal ---

const RESET = /^(ExecStart|RestrictAddressFamilies)=./;

const PATIENCE_MS = 15_000;

function define<S extends Scenario>(
  title: string,
  scenarios: readonly S[],
  body: (scenario: S, my: My, unit: Unit) => Promise<void>,
): void {
  describeMany(title, (machine) => {
    for (const scenario of scenarios) {
      const skipped = (machine.isBaseline && "systemd-notify has no doctor") || scenario.skip?.(machine);
      test.skipIf(Boolean(skipped))(titled(scenario.title, skipped || undefined), async () => {
        const run = async () => {
          const my = place(machine);
          const unit = new Unit(machine, my.unit);
          try {
            install(my, scenario.files(my));
            await (scenario.arrive ? scenario.arrive(unit, my) : unit.start("--no-block"));
            if (scenario.state) await unit.until(scenario.state, { timeoutMs: PATIENCE_MS });
            await body(scenario, my, unit);
          } finally {
            await stop(unit);
            await scenario.after?.(my);
          }
        };
        await (scenario.alone ? inTurn(machine, run) : run());
      });
    }
  });
}

/** One after the other on a manager. */
function inTurn(machine: Machine, run: () => Promise<void>): Promise<void> {
  const turn = (turns.get(machine.outside("/")) ?? Promise.resolve()).then(run);
  turns.set(
    machine.outside("/"),
    turn.catch(() => {}),
  );
  return turn;
}

const turns = new Map<string, Promise<void>>();

function place(machine: Machine): My {
  const name = machine.newName();
  const directory = `${machine.directory}/${name}`;
  mkdirSync(machine.outside(directory), { recursive: true, mode: 0o755 });
  const { command, checkout } = machine;
  const library = `const { notify, startWatchdog, watchdogTimeoutMs } = await import("${checkout}/dist/index.js");`;
  return {
    machine,
    name,
    unit: `${name}.service`,
    directory,
    command,
    port: freePort(),
    bun: (code) => exec("/usr/bin/env", "BUN_BE_BUN=1", command, "-e", `${library} ${code}`),
    sh: (script) => exec("/bin/sh", "-c", `N=${command}; ${script}`),
  };
}

function freePort(): number {
  using server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  return server.port;
}

/** Writes files; services are put into the slice of the tests. */
function install({ machine, unit }: My, files: Files): void {
  for (const [path, text] of Object.entries(files)) {
    if (path.startsWith("/")) {
      mkdirSync(dirname(machine.outside(path)), { recursive: true });
      machine.write(path, text);
      continue;
    }
    const slice = path.endsWith(".service") && unit.endsWith(".service") ? "[Service]\nSlice=sdnotifytest.slice\n" : "";
    machine.install({ [path]: slice === "" ? text : text.replace(/^\[Service\]\n/m, slice) });
  }
}

/** Stops the unit, whatever it is at, so that the manager forgets it, and reads its files again when it is started. */
async function stop(unit: Unit): Promise<void> {
  const { machine, name } = unit;
  await machine.run([
    "sh",
    "-c",
    'systemctl kill --signal=KILL "$1"; systemctl stop "$1"; systemctl reset-failed "$1"',
    "sh",
    name,
  ]);
}

function managerOf({ machine }: My): string {
  return `systemd ${machine.version}`;
}

/** Asks until the doctor names the cause: a program takes a moment to come so far. */
async function untilSaid(scenario: Broken, my: My): Promise<Said> {
  for (const deadline = performance.now() + PATIENCE_MS; ; await Bun.sleep(100)) {
    const said = await ask(scenario, my);
    said.cause =
      said.failed.find(({ text }) => scenario.cause.test(text)) ??
      (scenario.cause.test(said.summary) ? said.failed[0] : undefined);
    if (said.code === 1 && said.cause) return said;
    if (performance.now() > deadline) throw new Error(`the cause is not named:\n${said.text}`);
  }
}

async function ask(scenario: Scenario, my: My): Promise<Said> {
  const subject = scenario.subject?.(my) ?? my.unit;
  const { code, stdout, stderr } = await my.machine.run([my.command, "doctor", subject]);
  if (stderr !== "") throw new Error(stderr);
  const lines = stdout.split("\n");
  const failed = lines.flatMap((line, i) => {
    const [, text] = /^FAILED\s+(.*)$/.exec(line) ?? [];
    if (text === undefined) return [];
    const [, cure] = /^ {2,}cure: (.*)$/.exec(lines[i + 1] ?? "") ?? [];
    return [{ text, ...(cure !== undefined && { cure }) }];
  });
  return { code, text: stdout, summary: lines[0] ?? "", failed };
}
