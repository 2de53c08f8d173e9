/** The words in which tests speak of units: install, start, tell, until, show. */

import { afterAll, describe } from "bun:test";
import { closeSync, constants, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { type Result, run } from "../support/command.ts";
import { type Booted, beside, QUICK, type Target } from "./boot.ts";

/** A section of a unit file. An array is a key that is given more than once; undefined is left out. */
export type Section = Record<string, string | number | string[] | undefined>;
export type Properties = Record<string, string>;

/** The managers that the runner has booted; what it could not boot it has said. */
const booted: Booted[] = JSON.parse(process.env.SD_NOTIFY_TEST_MANAGERS ?? "[]");
if (booted.length === 0) throw new Error("no manager: call this by npm run test:systemd");

export const UNPRIVILEGED = { User: "nobody" };

/** Defines the tests for each manager. They run side by side, each with units of its own. */
export function describeEach(title: string, define: (machine: Machine) => void, managers = booted): void {
  for (const manager of managers) {
    describe(`${manager.title} > ${title}`, () => {
      const machine = new Machine(manager);
      afterAll(() => machine.dispose());
      define(machine);
    });
  }
}

/** Defines the tests for each manager, or for the newest one, if there is little time. */
export function describeMany(title: string, define: (machine: Machine) => void): void {
  describeEach(title, define, process.env[QUICK] === undefined ? booted : booted.slice(-1));
}

export class Machine {
  readonly target: Target;
  readonly version: number;
  readonly checkout: string;
  /** The command under test: sd-notify, or what $SD_NOTIFY says. */
  readonly command: string;
  /** Whether it is systemd's own command that is tested, to see that the judge is right. */
  readonly isBaseline: boolean;
  /** A directory of the tests', as the manager sees it. */
  readonly directory = "/run/sd-notify-test";
  readonly #booted: Booted;
  readonly #root: string;
  readonly #units = new Set<string>();
  /** Directories. */
  readonly #dropIns = new Set<string>();
  #journal: Journal | undefined;

  constructor(booted: Booted) {
    this.#booted = booted;
    this.#root = booted.pid === 1 ? "" : `/proc/${booted.pid}/root`;
    this.target = booted.target;
    this.version = booted.version;
    this.checkout = booted.checkout;
    this.isBaseline = process.env.SD_NOTIFY !== undefined;
    this.command = process.env.SD_NOTIFY ?? `${booted.checkout}/dist/sd-notify`;
    mkdirSync(this.outside(this.directory), { recursive: true, mode: 0o777 });
  }

  /** The command's version of systemd-notify: what a scenario asks before it uses an option. */
  get commandVersion(): number {
    return this.isBaseline ? this.version : 262;
  }

  run(command: string[]): Promise<Result> {
    return run([...beside(this.#booted), ...command], { cwd: "/" });
  }

  systemctl(...args: string[]): Promise<Result> {
    return this.run(["systemctl", ...args]);
  }

  /** A path of the manager's, as seen from here. */
  outside(path: string): string {
    return `${this.#root}${path}`;
  }

  write(path: string, text: string): void {
    writeFileSync(this.outside(path), text);
  }

  /** A name for a unit, without its suffix, that no other test has. */
  newName(): string {
    return `sdnotifytest-${process.pid}-${booted.indexOf(this.#booted)}-${++names}`;
  }

  /** A unit that executes a program; `section` is its [Service]. */
  service(section: Section, other: Record<string, Section> = {}): Unit {
    const name = `${this.newName()}.service`;
    this.install({ [name]: unitText({ Service: { Slice: "sdnotifytest.slice", ...section }, ...other }) });
    return new Unit(this, name);
  }

  /** A unit whose main process is a shell that does what it is told: Unit.tell(). */
  async shell(section: Section = {}): Promise<Shell> {
    const path = `${this.directory}/shell-${process.pid}-${booted.indexOf(this.#booted)}-${++names}`;
    await this.run(["mkfifo", "-m", "666", path]);
    // Opened to read and write: so the manager does not wait for a writer, nor the shell see an end.
    const fd = openSync(this.outside(path), constants.O_RDWR);
    const unit = this.service({
      Type: "notify",
      NotifyAccess: "all",
      StandardInput: `file:${path}`,
      Environment: `N=${this.command}`,
      ExecStart: exec("/bin/sh", "-c", 'while IFS= read -r line; do eval "$line"; done'),
      TimeoutStopSec: 5,
      ...section,
    });
    return new Shell(this, unit.name, fd);
  }

  /**
   * Writes unit files and drop-ins, "x.service.d/y.conf". The manager loads a new one when it is used:
   * daemon-reload would begin the time-outs of other tests anew.
   */
  install(units: Record<string, string>): void {
    for (const [name, text] of Object.entries(units)) {
      const [unit = name, file] = name.split("/");
      if (file === undefined) this.#units.add(name);
      else this.#dropIns.add(unit);
      mkdirSync(dirname(this.outside(`/run/systemd/system/${name}`)), { recursive: true });
      this.write(`/run/systemd/system/${name}`, text);
    }
  }

  /** The lines that PID 1 wrote about a unit, or all of them. */
  async journal(unit?: string): Promise<string> {
    const match = unit === undefined ? [] : [`UNIT=${unit}`];
    // A journal that is just being rotated is read as empty.
    for (let attempts = 0; ; attempts++) {
      await this.run(["journalctl", "--sync"]);
      const { stdout } = await this.run(["journalctl", "--no-pager", "-o", "cat", "_PID=1", ...match]);
      if (stdout !== "" || attempts === 10) return stdout;
    }
  }

  /** Resolves when PID 1 has said something of a unit again. */
  nextEvent(unit: string): Promise<void> {
    this.#journal ??= new Journal(this.#booted);
    return this.#journal.next(unit);
  }

  async dispose(): Promise<void> {
    this.#journal?.close();
    if (this.#units.size === 0) return;
    await this.systemctl("kill", "--signal=KILL", ...this.#units);
    await this.systemctl("stop", ...this.#units);
    await this.systemctl("reset-failed", ...this.#units);
    for (const name of [...this.#units, ...this.#dropIns]) {
      rmSync(this.outside(`/run/systemd/system/${name}`), { recursive: true, force: true });
    }
    await this.systemctl("daemon-reload");
  }
}

let names = 0;

export class Unit {
  readonly machine: Machine;
  readonly name: string;

  constructor(machine: Machine, name: string) {
    this.machine = machine;
    this.name = name;
  }

  start(...options: string[]): Promise<Result> {
    return this.machine.systemctl("start", ...options, this.name);
  }

  stop(...options: string[]): Promise<Result> {
    return this.machine.systemctl("stop", ...options, this.name);
  }

  async show(...properties: string[]): Promise<Properties> {
    const { stdout } = await this.machine.systemctl(
      "show",
      ...properties.map((name) => `--property=${name}`),
      this.name,
    );
    return Object.fromEntries(
      stdout
        .split("\n")
        .filter(Boolean)
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
  }

  /** Waits until the manager shows what is expected, and returns that. */
  async until(expected: Record<string, string | RegExp>, { timeoutMs = 15_000 } = {}): Promise<Properties> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const event = this.machine.nextEvent(this.name);
      const shown = await this.show(...Object.keys(expected));
      const fits = Object.entries(expected).every(([name, value]) => {
        const actual = shown[name] ?? "";
        return typeof value === "string" ? actual === value : value.test(actual);
      });
      if (fits) return shown;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`${this.name} shows ${JSON.stringify(shown)}\n${await this.journal()}`);
      // What ends a wait without a word of PID 1's is rare: look again now and then.
      await Promise.race([event, Bun.sleep(Math.min(left, 500))]);
    }
  }

  /** What PID 1 wrote about it. */
  journal(): Promise<string> {
    return this.machine.journal(this.name);
  }

  /** Waits until PID 1 has written something about it. */
  async untilJournal(text: string, { timeoutMs = 15_000 } = {}): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const event = this.machine.nextEvent(this.name);
      const journal = await this.journal();
      if (journal.includes(text)) return;
      if (performance.now() > deadline) throw new Error(`PID 1 has not written ${JSON.stringify(text)}:\n${journal}`);
      await Promise.race([event, Bun.sleep(500)]);
    }
  }

  /** What its own processes wrote. */
  async output(): Promise<string> {
    await this.machine.run(["journalctl", "--sync"]);
    return (await this.machine.run(["journalctl", "--no-pager", "-o", "cat", `_SYSTEMD_UNIT=${this.name}`])).stdout;
  }
}

export class Shell extends Unit {
  readonly #fd: number;

  constructor(machine: Machine, name: string, fd: number) {
    super(machine, name);
    this.#fd = fd;
  }

  /** Has the shell do something; "$N" is the command. */
  tell(line: string): void {
    writeSync(this.#fd, `${line}\n`);
  }

  /** Starts, and has it send READY=1 as its first act. */
  async ready(message = "--ready"): Promise<void> {
    this.tell(`"$N" ${message}`);
    const { code, stderr } = await this.start();
    if (code !== 0) throw new Error(`${stderr}\n${await this.journal()}`);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

export function unitText(sections: Record<string, Section>): string {
  return Object.entries(sections)
    .map(([name, section]) => {
      const lines = Object.entries(section).flatMap(([key, value]) =>
        value === undefined ? [] : [value].flat().map((one) => `${key}=${one}`),
      );
      return `[${name}]\n${lines.join("\n")}\n`;
    })
    .join("\n");
}

/** A command line for a unit file, with nothing left for the manager to expand: systemd.service(5), "Command lines". */
export function exec(...args: string[]): string {
  return args
    .map(
      (arg) =>
        `"${arg.replaceAll(/[\\"]/g, "\\$&").replaceAll("%", "%%").replaceAll("$", "$$$$").replaceAll("\n", "\\n")}"`,
    )
    .join(" ");
}

// --- internal ---

/** What PID 1 says, as it says it. */
class Journal {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "ignore">;
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();

  constructor(booted: Booted) {
    const command = ["journalctl", "--follow", "--lines=0", "--output=json", "--output-fields=UNIT", "_PID=1"];
    this.#child = Bun.spawn([...beside(booted), ...command], { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
    void this.#read();
  }

  next(unit: string): Promise<void> {
    const waiting = this.#waiting.get(unit) ?? Promise.withResolvers<void>();
    this.#waiting.set(unit, waiting);
    return waiting.promise;
  }

  close(): void {
    this.#child.kill();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) {
      // A name that is cut in two is missed: the next line about the unit has it again.
      for (const [, unit = ""] of decoder.decode(chunk).matchAll(/"UNIT":"([^"]+)"/g)) {
        this.#waiting.get(unit)?.resolve();
        this.#waiting.delete(unit);
      }
    }
  }
}
