/**
 * Writes the man page and the completions for bash, zsh and fish to man/, from the table of options.
 *
 *     bun src/build/docs.ts
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import { OPTIONS, type Option, type OptionName } from "../cli/options.ts";
import type { Tool } from "../tools/options.ts";
import { bashCompletion } from "./completions/bash.ts";
import { TOOLS } from "./completions/commands.ts";
import { fishCompletion } from "./completions/fish.ts";
import { zshCompletion } from "./completions/zsh.ts";

export { TOOLS };

type DocumentedOption = Option & { long: OptionName; help: string };

/** Returns the generated files: their names in man/, and what is in them. */
export function generate(): Record<string, string> {
  return {
    "sd-notify.1": manPage(),
    "completions/sd-notify.bash": bashCompletion(template("bash")),
    "completions/_sd-notify": zshCompletion(template("zsh")),
    "completions/sd-notify.fish": fishCompletion(template("fish")),
  };
}

// --- the man page ---

/** What the man page says of each option, in roff(7). */
const DETAILS: Record<Exclude<OptionName, "introspect-cli">, string> = {
  help: "Show a short help and exit.",
  version: "Show the version and exit.",
  ready: "Tell the service manager that start-up, or the reload of the configuration, is complete: READY=1.",
  reloading: `Tell the service manager that the configuration is being reloaded: RELOADING=1, and
MONOTONIC_USEC= with the time, which
.I Type=notify\\-reload
asks for.`,
  stopping: "Tell the service manager that the service is shutting down: STOPPING=1.",
  pid: `Tell the service manager which process is the main one of the service: MAINPID=, and MAINPIDFDID= where
the kernel has it.
.B auto
or nothing is the process that called, unless that is the service manager: then it is
.B sd\\-notify
itself.
.B parent
is the process that called in any case,
.B self
is
.B sd\\-notify
itself. A number is that of a process that exists. The notification is sent as this process, with the privilege
for it.`,
  uid: `Send as this user: a name of the user database, or a number. It sets the real user and group ID, so it
needs the privilege for
that. The group stays as it is where the number is no user's.`,
  status: "Set the text that describes the service in systemctl status: STATUS=.",
  booted: "Send nothing; exit with 0 where systemd booted this machine, and with 1 where not. See sd_booted(3).",
  "no-block": `Do not wait until the service manager has read the message. Without this option,
.B sd\\-notify
waits for 5 seconds at most. A process that ends at once may end before the service manager looks which service
it belonged to.`,
  exec: `After all is sent, execute the command that follows the argument
.BR ; ,
in place of
.B sd\\-notify
and with its PID. It finds what the caller had, see
.B THE PROGRAM OF \\-\\-exec AND \\-\\-fork
below. Where the notification fails, nothing is executed.`,
  fd: `Send a file descriptor that the caller passed along: FDSTORE=1. The option may be given several times.
The fd store takes it where
the service has
.I FileDescriptorStoreMax=
set. Other open file descriptors cause a warning.`,
  fdname: `Name the file descriptors: FDNAME=. At most 255 ASCII characters, but no control characters and no
colon. The last of several
names holds.`,
  fork: `Send nothing; start the command, print its PID, and wait until it has sent READY=1. It has a socket of
its own as
.IR $NOTIFY_SOCKET ,
/dev/null as standard input and output, and the caller's standard error. The signals HUP, INT, QUIT, TERM,
USR1, USR2, CONT and TSTP are
passed on to it.`,
  quiet: "Do not print the PID of the command that \\-\\-fork starts.",
};

function manPage(): string {
  const options = documented().map(({ long, short, value, hint }) => {
    const names = [...(short === undefined ? [] : [`-${short}`]), `--${long}`].map((name) => `\\fB${roff(name)}\\fR`);
    const argument = hint === undefined ? "" : value === "optional" ? `[=\\fI${hint}\\fR]` : `=\\fI${hint}\\fR`;
    return `.TP\n${names.join(", ")}${argument}\n${DETAILS[long as keyof typeof DETAILS]}`;
  });
  return readFileSync(join(import.meta.dir, "sd-notify.1.template"), "utf8")
    .replace("@VERSION@", version)
    .replace("@OPTIONS@", () => options.join("\n"))
    .replace("@SUBCOMMANDS@", () => TOOLS.map(manSubcommand).join("\n"));
}

function manSubcommand({ name, description, operand, options, footer }: Tool): string {
  const list = Object.entries(options).map(([long, { hint, help, short }]) => {
    const names = [...(short === undefined ? [] : [`-${short}`]), `--${long}`].map((each) => `\\fB${roff(each)}\\fR`);
    return `.TP\n${names.join(", ")}${hint === undefined ? "" : `=\\fI${roff(hint)}\\fR`}\n${roff(help)}`;
  });
  const end = footer === undefined ? "" : `\n.PP\n${roff(footer).replaceAll("\n\n", "\n.PP\n")}`;
  return `.SS sd\\-notify ${name} [OPTION...] ${roff(operand)}\n${roff(description)}.\n${list.join("\n")}${end}`;
}

// --- internal ---

function template(shell: string): string {
  return readFileSync(join(import.meta.dir, `completions/template.${shell}`), "utf8");
}

function documented(): DocumentedOption[] {
  return OPTIONS.filter((option): option is typeof option & DocumentedOption => "help" in option);
}

function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("…", "...")
    .replaceAll(/^([.'])/gm, "\\&$1");
}

// --- main ---

if (import.meta.main) {
  for (const [name, text] of Object.entries(generate())) {
    await Bun.write(join(import.meta.dir, "../../man", name), text);
  }
}
