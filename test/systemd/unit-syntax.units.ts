import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, readlinkSync, symlinkSync } from "node:fs";
import { decodeBytes } from "../../src/linux/bytes.ts";
import { bindPath, plainValue, quoteCommand, setting, shownCommand } from "../../src/tools/doctor/unit-syntax.ts";
import { NASTY_WORDS, nastyWord } from "../support/nasty.ts";
import { describeEach, type Machine, type Unit } from "./machine.ts";

/** What keeps a shell there, whatever follows; it is not the last command, which the shell would become. */
const WAIT = ["-c", "sleep infinity; :"];

describeEach("what a unit file can say", (machine) => {
  test.each([
    ["words that mean something to systemd", ["/bin/sh", ...WAIT, ...NASTY_WORDS.filter(isText)]],
    [
      "every character to U+00FF",
      ["/bin/sh", ...WAIT, ...Array.from({ length: 255 }, (_, i) => String.fromCharCode(i + 1))],
    ],
    ["many random words", ["/bin/sh", ...WAIT, ...Array.from({ length: 500 }, (_, i) => nastyWord(i)).filter(isText)]],
    ["a long argument", ["/bin/sh", ...WAIT, '%$\\" 字'.repeat(10_000)]],
    ["the name of another", ["-$HOME %n\n\x1b\u202e", ...WAIT, "x"]],
    ["an empty name", ["", ...WAIT, ""]],
  ])("ExecStart= with %s starts a process with exactly these", async (_, argv) => {
    const unit = await start(machine, [setting("ExecStart", quoteCommand("/bin/sh", argv))]);
    expect(argumentsOf(machine, await mainPid(unit))).toEqual(argv);
  });

  test.each(["blank and tab\u00a0", "$HOME $$ %n %%", "字\u202eabc\u0085", ";-@:+!#"])(
    "ExecStart= of a program in the directory %j",
    async (name) => {
      const directory = `${machine.directory}/${crypto.randomUUID()}/${name}`;
      mkdirSync(machine.outside(directory), { recursive: true });
      symlinkSync("/bin/sh", machine.outside(`${directory}/sh`));
      for (const called of [`${directory}/sh`, "sh"]) {
        const argv = [called, ...WAIT, "$x"];
        const unit = await start(machine, [setting("ExecStart", quoteCommand(`${directory}/sh`, argv))]);
        expect(argumentsOf(machine, await mainPid(unit))).toEqual(argv);
      }
    },
  );

  test("ExecStart= as shownCommand() shows it is the same command", async () => {
    const said = `/bin/sh\t-c "sleep infinity; :" 'a\tb\x1b' \u202e"c\t\x7f"\t\\x41 \\\\\x01 d`;
    const argv = ["/bin/sh", ...WAIT, "a\tb\x1b", "\u202ec\t\x7f", "A", "\\\x01", "d"];
    for (const command of [{ text: said }, shownCommand(said)]) {
      const unit = await start(machine, [setting("ExecStart", command)]);
      expect(argumentsOf(machine, await mainPid(unit))).toEqual(argv);
    }
  });

  test.each([
    "a b",
    "100%% %n %h",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: systemd's.
    "$HOME ${HOME} $$",
    "\"double\" 'single'",
    "back\\slash \\x41 \\\\",
    "-~!@字",
    "a;b #c",
  ])("WorkingDirectory= and Description= of %j", async (name) => {
    const directory = `${machine.directory}/${crypto.randomUUID()}/${name}`;
    mkdirSync(machine.outside(directory), { recursive: true });
    const unit = await start(
      machine,
      [setting("ExecStart", { text: "/bin/sleep infinity" }), setting("WorkingDirectory", plainValue(directory))],
      setting("Description", plainValue(name)),
    );
    expect(readlinkSync(machine.outside(`/proc/${await mainPid(unit)}/cwd`))).toBe(directory);
    expect(await unit.show("Description")).toEqual({ Description: name });
  });

  test.each(["a b", "100%% %n", "$HOME", "字"])("BindReadOnlyPaths= of %j", async (name) => {
    const directory = `${machine.directory}/${crypto.randomUUID()}/${name}`;
    mkdirSync(machine.outside(directory), { recursive: true });
    const unit = await start(machine, [
      setting("ExecStart", { text: "/bin/sleep infinity" }),
      setting("TemporaryFileSystem", { text: machine.directory }),
      setting("BindReadOnlyPaths", bindPath(directory)),
    ]);
    const root = `/proc/${await mainPid(unit)}/root`;
    expect((await machine.run(["ls", "-d", `${root}${directory}`])).stdout).toBe(`${root}${directory}\n`);
  });
});

// --- internal ---

/** Of what is not UTF-8, PID 1 could tell nobody. */
function isText(word: string): boolean {
  return word.isWellFormed();
}

/** Starts a unit with these lines of [Service]; Type=exec has it started when it is executed. */
async function start(machine: Machine, lines: string[], description?: string): Promise<Unit> {
  const unit = machine.service({});
  const text = ["[Unit]", description ?? "", "[Service]", "Type=exec", "Slice=sdnotifytest.slice", ...lines, ""];
  machine.write(`/run/systemd/system/${unit.name}`, text.join("\n"));
  const { code, stderr } = await unit.start();
  if (code !== 0) throw new Error(`${stderr}\n${await unit.journal()}`);
  return unit;
}

async function mainPid(unit: Unit): Promise<number> {
  return Number((await unit.until({ MainPID: /^[1-9]/ })).MainPID);
}

function argumentsOf(machine: Machine, pid: number): string[] {
  return decodeBytes(readFileSync(machine.outside(`/proc/${pid}/cmdline`)))
    .split("\0")
    .slice(0, -1);
}
