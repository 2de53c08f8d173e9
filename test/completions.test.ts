import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { COMMAND, type CompletedCommand, SUBCOMMANDS } from "../src/build/completions/commands.ts";
import { parsePid } from "../src/cli/sender.ts";
import { parseOptions as parseBridge } from "../src/tools/bridge/options.ts";
import { parseOptions } from "../src/tools/monitor/options.ts";
import { tool as run } from "../src/tools/run/main.ts";
import { readPlan } from "../src/tools/run/options.ts";
import { missing, temporaryDirectory, titled } from "./support/command.ts";
import { openShell, type ShellName, type ShellOptions } from "./support/shells.ts";

const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());

// What the shells can complete: programs, files, and the units of a systemd.
const programs = `${directory.path}/bin`;
const files = `${directory.path}/files`;
mkdirSync(`${files}/my directory`, { recursive: true });
writeFileSync(`${files}/my file`, "");
/** Names that a systemd can't have, some of which a careless shell would execute. */
const HOSTILE = [
  "$(echo>executed1).service",
  "`echo>executed2`.service",
  "(echo>executed3).service",
  "x;echo>executed4;.service",
  "$(echo > executed5).service",
  "x'$(echo>executed6)'.service",
  'x"$(echo>executed7)".service',
  "e:$(echo>executed8).service",
  "--version.service",
  "\x1b[31mred.service",
];
const UNITS = [
  "nginx.service",
  "getty@tty1.service",
  "a:b.service",
  "dev-foo\\x2dbar.service",
  "broken.service",
  "dead.service",
];
const script = (name: string, text: string) => {
  mkdirSync(programs, { recursive: true });
  writeFileSync(`${programs}/${name}`, `#!/bin/sh\n${text}\n`);
  chmodSync(`${programs}/${name}`, 0o755);
};
script(
  "systemctl",
  `echo "Some warning" >&2
test "$SYSTEMD_COLORS" = 0 || exit 1
case " $* " in
*" --user "*) echo "mine.service loaded active running Mine" ;;
*" list-unit-files "*) printf '%s enabled enabled\\n' nginx.service getty@.service ;;
*) cat <<'END'
  UNIT LOAD ACTIVE SUB DESCRIPTION
${[...UNITS.slice(0, 4), ...HOSTILE].map((name) => `  ${name} loaded active running A unit $(echo>executed0)`).join("\n")}
● broken.service loaded failed failed A unit
* dead.service loaded failed failed A unit

LOAD = Reflects whether the unit.service definition was properly loaded.
9 loaded units.service listed.
END
esac`,
);
script("sd-notify", `printf '<argument>%s</argument>' "$@"`);
script("zebra-program", "");

const SHELLS: ShellName[] = ["bash", "zsh", "fish"];
let homes = 0;

function open(name: ShellName, options: Partial<ShellOptions> = {}) {
  const home = `${directory.path}/home${++homes}`;
  return openShell(name, { home, cwd: files, path: programs, ...options });
}

/** The long options on a screen. */
const optionsIn = (text: string) => [...new Set(text.match(/(?<![\w-])--[a-z][a-z-]*/g))].sort();
const optionsOf = ({ options }: CompletedCommand) => options.map(({ long }) => `--${long}`).sort();

describe.each(SHELLS)("the completion of %s", (name) => {
  const absent = missing(name);
  const inShell = (title: string, body: () => Promise<void>) =>
    test.skipIf(Boolean(absent))(titled(title, absent), body, 60_000);

  inShell("offers the subcommands, as the first word only", async () => {
    await using shell = await open(name);
    expect((await shell.complete("sd-notify mon")).line).toBe("sd-notify monitor ");
    const { screen } = await shell.complete("sd-notify ");
    for (const { name } of SUBCOMMANDS) expect(screen).toMatch(new RegExp(`\\b${name}\\b`));
    for (const before of ["--ready ", "A=1 ", "-- ", "--status "]) {
      const { line, screen } = await shell.complete(`sd-notify ${before}mon`);
      expect(line).toBe(`sd-notify ${before}mon`);
      // As zsh said when the completion called itself.
      expect(screen).not.toContain("nesting");
    }
  });

  inShell("offers the options of each command, and no other command's", async () => {
    await using shell = await open(name);
    for (const command of [COMMAND, ...SUBCOMMANDS]) {
      const line = command === COMMAND ? "sd-notify " : `sd-notify ${command.name} `;
      const { screen } = await shell.complete(`${line}--`);
      expect({ line, options: optionsIn(screen) }).toEqual({ line, options: optionsOf(command) });
    }
  });

  inShell("offers no option of the plain command after a subcommand", async () => {
    await using shell = await open(name);
    for (const command of SUBCOMMANDS) {
      for (const typed of ["", "-", "--help "]) {
        const { screen, line } = await shell.complete(`sd-notify ${command.name} ${typed}`);
        const foreign = optionsIn(screen + line).filter((option) => !optionsOf(command).includes(option));
        expect({ line, foreign }).toEqual({ line, foreign: [] });
      }
    }
    for (const line of ["sd-notify monitor --fo", "sd-notify doctor --uid=roo", "sd-notify run --pid=se"]) {
      expect((await shell.complete(line)).line).toBe(line);
    }
  });

  inShell("offers every word that an option takes, after = and after a space", async () => {
    await using shell = await open(name);
    for (const command of [COMMAND, ...SUBCOMMANDS]) {
      for (const { long, words, value } of command.options) {
        for (const word of words) {
          for (const separator of value === "optional" ? ["="] : ["=", " "]) {
            const line = `sd-notify ${command === COMMAND ? "" : `${command.name} `}--${long}${separator}`;
            expect((await shell.complete(line + word.slice(0, -1))).line).toStartWith(line + word);
          }
        }
      }
    }
  });

  inShell("offers files, users, processes and commands as values", async () => {
    await using shell = await open(name);
    const lines: [typed: string, line: string | RegExp][] = [
      ["sd-notify --uid=roo", "sd-notify --uid=root "],
      ["sd-notify --uid roo", "sd-notify --uid root "],
      ["sd-notify run --ready-file=my\\ f", "sd-notify run --ready-file=my\\ file "],
      ["sd-notify run --ready-unix my\\ f", "sd-notify run --ready-unix my\\ file "],
      ['sd-notify run --ready-file="my f', /^sd-notify run --ready-file=("my file"|my\\ file) $/],
      ["sd-notify run --ready-exec=zebra-pro", /^sd-notify run --ready-exec=zebra-program ?$/],
      [`sd-notify doctor --pid=${process.pid}`, new RegExp(`^sd-notify doctor --pid=${process.pid}`)],
    ];
    for (const [typed, line] of lines) expect((await shell.complete(typed)).line).toMatch(line);
    const { screen } = await shell.complete("sd-notify doctor --pid=");
    expect(screen).toMatch(new RegExp(`\\b${process.pid}\\b`));
    expect((await shell.complete("sd-notify --fd=")).screen).toMatch(/0\b.*1\b.*2\b/s);
  });

  inShell("offers nothing for a time, a URL or a text", async () => {
    await using shell = await open(name);
    for (const line of ["sd-notify --status=", "sd-notify run --ready-http=", "sd-notify monitor --watchdog "]) {
      const completed = await shell.complete(line);
      expect(completed.line).toBe(line);
      expect(completed.screen).not.toContain("my file");
    }
  });

  inShell("offers the services after doctor, and the user's after --user", async () => {
    await using shell = await open(name);
    const { screen } = await shell.complete("sd-notify doctor ");
    for (const unit of UNITS) expect(screen.replaceAll("\\\\", "\\")).toContain(unit);
    expect(screen).not.toMatch(/getty@\.service|executed|Some warning|red|version|UNIT|unit|mine/);
    expect((await shell.complete("sd-notify doctor ngi")).line).toBe("sd-notify doctor nginx.service ");
    expect((await shell.complete("sd-notify doctor --json ngi")).line).toBe("sd-notify doctor --json nginx.service ");
    expect((await shell.complete("sd-notify doctor --user ")).line).toBe("sd-notify doctor --user mine.service ");
    const second = "sd-notify doctor nginx.service ngi";
    expect((await shell.complete(second)).line).toBe(second);
  });

  inShell("offers the words after probe, one of them", async () => {
    await using shell = await open(name);
    expect((await shell.complete("sd-notify probe sta")).line).toBe("sd-notify probe started ");
    const { screen } = await shell.complete("sd-notify probe ");
    expect(screen).toMatch(/live.*ready.*started/s);
    const second = "sd-notify probe live sta";
    expect((await shell.complete(second)).line).toBe(second);
  });

  inShell("passes the name of a unit on as it is, and executes nothing that is in one", async () => {
    await using shell = await open(name);
    for (const [typed, unit] of [
      ["dev-", "dev-foo\\x2dbar.service"],
      ["a:b", "a:b.service"],
    ]) {
      const { line } = await shell.complete(`sd-notify doctor ${typed}`);
      const { screen } = await shell.type(`${line}\r`);
      expect(screen).toContain(`<argument>doctor</argument><argument>${unit}</argument>`);
    }
    for (const typed of ["$", "\\$", "'$", '"$', "`", "(", "x", "x\\;", "e:", "x\\'", "\\("]) {
      await shell.complete(`sd-notify doctor ${typed}`);
    }
    expect(readdirSync(files).sort()).toEqual(["my directory", "my file"]);
  });

  inShell("executes nothing that stands in the line", async () => {
    await using shell = await open(name);
    // A ` begins a line of its own for bash, even in quotes.
    const text = `'$(echo>executed)(echo>executed)${name === "bash" ? "" : "`echo>executed`"}'`;
    for (const [typed, rest] of [
      [`sd-notify ${text} --read`, "y "],
      [`sd-notify --status=${text} --read`, "y "],
      [`sd-notify monitor --type=${text} --js`, "on "],
      [`sd-notify monitor -- ls ${text} my\\ f`, "ile "],
      [`sd-notify --exec ${text} \\; -- ls ${text} my\\ f`, "ile "],
      [`sd-notify doctor --pid=${text} ngi`, "nx.service "],
    ] as const) {
      expect((await shell.complete(typed)).line).toBe(typed + rest);
    }
    expect(readdirSync(files).sort()).toEqual(["my directory", "my file"]);
  });

  inShell("says nothing where systemctl fails, or is not there", async () => {
    const broken = `${directory.path}/broken-${name}`;
    mkdirSync(broken);
    writeFileSync(`${broken}/systemctl`, "#!/bin/sh\necho 'System has not been booted with systemd' >&2\nexit 1\n");
    chmodSync(`${broken}/systemctl`, 0o755);
    for (const path of [broken, `${directory.path}/nothing`]) {
      const setup = name === "fish" ? `set -gx PATH ${path}` : `PATH=${path}`;
      await using shell = await open(name, { setup });
      const { screen, line } = await shell.complete("sd-notify doctor n");
      expect(line).toBe("sd-notify doctor n");
      expect(screen).not.toMatch(/booted|not found|[Uu]nknown|No such/);
    }
  });

  inShell("completes the command after -- as that command's own completion does", async () => {
    const setup = {
      bash: "_zebra() { [[ $COMP_CWORD == 2 && $COMP_LINE == 'zebra-program -- b' ]] && COMPREPLY=(black); }\ncomplete -F _zebra zebra-program",
      zsh: "_zebra() { [[ $CURRENT == 3 && $words[1] == zebra-program ]] && compadd black }\ncompdef _zebra zebra-program",
      fish: "complete -c zebra-program -f -a black",
    }[name];
    await using shell = await open(name, { setup });
    for (const before of [
      "sd-notify monitor --json --",
      "sd-notify run --",
      "sd-notify --fork --",
      "sd-notify --exec A=1 \\; --",
    ]) {
      expect((await shell.complete(`${before} zebra-pro`)).line).toBe(`${before} zebra-program `);
      expect((await shell.complete(`${before} zebra-program -- b`)).line).toBe(`${before} zebra-program -- black `);
      expect((await shell.complete(`${before} ls my\\ f`)).line).toBe(`${before} ls my\\ file `);
    }
    const nested = "sd-notify monitor -- sd-notify monitor --type=notify-";
    expect((await shell.complete(nested)).line).toBe(`${nested}reload `);
  });

  if (name === "bash") return;
  inShell("shows the texts of the help", async () => {
    await using shell = await open(name);
    for (const command of [COMMAND, ...SUBCOMMANDS]) {
      const { screen } = await shell.complete(`sd-notify ${command === COMMAND ? "" : `${command.name} `}-`);
      for (const { help } of command.options) expect(screen).toContain(help);
    }
    const { screen } = await shell.complete("sd-notify ");
    for (const { description } of SUBCOMMANDS) expect(screen).toContain(description);
  });
});

const noZsh = missing("zsh");
test.skipIf(Boolean(noZsh))(titled("the completion of zsh can be sourced, too", noZsh), async () => {
  await using shell = await open("zsh", { sourced: true });
  expect((await shell.complete("sd-notify mon")).line).toBe("sd-notify monitor ");
  expect((await shell.complete("sd-notify monitor --unt")).line).toBe("sd-notify monitor --until=");
});

const PACKAGE = "/usr/share/bash-completion/bash_completion";
const noPackage = missing("bash") ?? (existsSync(PACKAGE) ? undefined : "no bash-completion here");
test.skipIf(Boolean(noPackage))(titled("the completion of bash works beside bash-completion", noPackage), async () => {
  await using shell = await open("bash", { setup: `source ${PACKAGE}` });
  for (const [typed, rest] of [
    ["sd-notify monitor --type=notify-", "reload "],
    ["sd-notify monitor -- ls --versi", "on "],
    ["sd-notify monitor -- /bin/ls my\\ f", "ile "],
    ["sudo sd-notify monitor --unt", "il="],
  ] as const) {
    expect((await shell.complete(typed)).line).toBe(typed + rest);
  }
});

const noBash = missing("bash");
test.skipIf(Boolean(noBash))(
  titled("the completion of bash bears set -u, failglob, another IFS and other word breaks", noBash),
  async () => {
    for (const setup of ["set -u; shopt -s failglob", "IFS=-", String.raw`COMP_WORDBREAKS=$' \t\n"\'><;|&('`]) {
      await using shell = await open("bash", { setup });
      for (const [typed, rest] of [
        ["sd-notify monitor --type=notify-", "reload "],
        ["sd-notify monitor --type notify-", "reload "],
        ["sd-notify monitor --unt", "il="],
        ["sd-notify doctor a:", "b.service "],
        ["sd-notify run --ready-file=my\\ f", "ile "],
        ["sd-notify --pid=s", "elf "],
        ["sd-notify --pid=nothing", ""],
        ["sd-notify doctor nothing", ""],
        ["sd-notify --fork -- nothing-such", ""],
        ["sd-notify --fork -- ls my\\ f", "ile "],
        ["sd-notify A=1 >my\\ f", "ile "],
      ] as const) {
        const { line, screen } = await shell.complete(typed);
        expect({ setup, line }).toEqual({ setup, line: typed + rest });
        expect(screen).not.toMatch(/unbound|no match|bash:/);
      }
    }
  },
  60_000,
);

test.skipIf(Boolean(noBash))(
  titled("the completion of bash offers the file descriptors that a command inherits", noBash),
  async () => {
    await using shell = await open("bash", { setup: "exec 7</dev/null" });
    const { screen } = await shell.complete("sd-notify --fd=");
    expect(screen).toMatch(/^0 +1 +2 +7 *$/m);
  },
);

describe("a word that the completions offer", () => {
  const offered = [COMMAND, ...SUBCOMMANDS].flatMap(({ name, options }) =>
    options.flatMap(({ long, words }) => words.map((word) => [name, long, word] as const)),
  );
  test.each(offered)("is one that %s --%s=%s takes", (name, long, word) => {
    const args = [`--${long}=${word}`, "--", "true"];
    if (name === "monitor") expect(parseOptions(args).command).toEqual(["true"]);
    else if (name === "bridge") expect(parseBridge(args).command).toEqual(["true"]);
    else if (name === "run") expect(readPlan(run, args).command).toEqual(["true"]);
    else expect(() => parsePid(word)).not.toThrow();
  });
});
