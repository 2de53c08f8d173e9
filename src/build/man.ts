/**
 * The man pages, in roff(7): that of the command from man/sd-notify.template, and one for each subcommand from
 * its table of options. man/NAME.template has the text of a subcommand's page; without one, the table is all.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import { OPTIONS, type Option, type OptionName } from "../cli/options.ts";
import type { Tool } from "../tools/options.ts";

type DocumentedOption = Option & { long: OptionName; help: string };

/** Returns the pages: their names in man/, and what is in them. */
export function manPages(tools: readonly Tool[]): Record<string, string> {
  const pages: Record<string, string> = { "sd-notify.1": commandPage(tools) };
  for (const tool of tools) pages[`sd-notify-${tool.name}.1`] = toolPage(tool, tools);
  return pages;
}

// --- internal ---

/** When the text of the pages last changed. mandoc(1) requires a date, and two builds must be the same. */
const DATE = "2026-11-21";

/** What the man page says of each option of the command. */
const DETAILS: Record<Exclude<OptionName, "introspect-cli">, string> = {
  help: "Print a short help text and exit.",
  version: "Print the version and exit.",
  ready: "Tell the service manager that start-up is complete, or that a reload is. This sends READY=1.",
  reloading: `Tell the service manager that the service is reloading its configuration. This sends RELOADING=1, and
MONOTONIC_USEC= with the current time, which
.I Type=notify\\-reload
needs.`,
  stopping: "Tell the service manager that the service is shutting down. This sends STOPPING=1.",
  pid: `Tell the service manager which process is the main process of the service. This sends MAINPID=, and
MAINPIDFDID= if the kernel supports it. The value is the PID of a process that exists, or one of three words.
.B parent
is the process that invoked the command.
.B self
is
.B sd\\-notify
itself.
.B auto
is the default: the parent, or
.B sd\\-notify
itself if the parent is the service manager. With the privilege for it, the message is sent as this process.`,
  uid: `Send the message as this user, given by name or by number. This sets the real user and group ID, which
needs privileges. If no user has that number, the group ID stays as it is.`,
  status: "Set the line of text that systemctl status shows for the service. This sends STATUS=.",
  booted: `Send nothing. Exit with 0 if systemd booted this machine, and with 1 if not. See
.BR sd_booted (3).`,
  "no-block": `Do not wait until the service manager has read the message. Without this option,
.B sd\\-notify
waits for up to 5 seconds. If it exits at once, the service manager may no longer be able to tell which unit the
message came from.`,
  exec: `Send the message, then execute the command after the argument
.B ;
in place of
.BR sd\\-notify ,
with the same PID. If the message can't be sent, the command is not executed. See
.B THE PROGRAM OF \\-\\-exec AND \\-\\-fork
below.`,
  fd: `Send a file descriptor for the service manager to store. This sends FDSTORE=1. The option may be given
several times. The service manager stores file descriptors only if the unit sets
.IR FileDescriptorStoreMax= .
The command warns about open file descriptors that no option names.`,
  fdname: `Name the file descriptors that
.B \\-\\-fd=
sends. This sends FDNAME=. A name has up to 255 ASCII characters, without control characters and colons. If the
option is given several times, the last name counts.`,
  fork: `Send nothing. Start the command, print its PID, and wait until it sends READY=1. The command gets
.I $NOTIFY_SOCKET
with a socket made for it, /dev/null as standard input and output, and the standard error of the caller. The signals
HUP, INT, QUIT, TERM, USR1, USR2, CONT and TSTP are passed on to it.`,
  quiet: `Do not print the PID of the command that
.B \\-\\-fork
starts.`,
};

function commandPage(tools: readonly Tool[]): string {
  const options = documented().map(({ long, short, value, hint }) => {
    const argument = hint === undefined ? "" : value === "optional" ? `[=\\fI${hint}\\fR]` : `=\\fI${hint}\\fR`;
    return `.TP\n${names(long, short)}${argument}\n${DETAILS[long as keyof typeof DETAILS]}`;
  });
  const subcommands = tools.map(({ name, description }) =>
    [`.TP`, `.B sd\\-notify ${name}`, `${roff(sentence(description))} See`, `.BR sd\\-notify\\-${name} (1).`].join(
      "\n",
    ),
  );
  return page(template("sd-notify"), {
    HEAD: head("sd-notify", "notify the service manager about the state of a service"),
    OPTIONS: options.join("\n"),
    SUBCOMMANDS: subcommands.join("\n"),
    SEE: seeAlso([...tools.map(({ name }) => `sd-notify-${name}(1)`), "systemd-notify(1)", "sd_notify(3)", ...UNITS]),
  });
}

function toolPage(tool: Tool, tools: readonly Tool[]): string {
  const { name, description, operand, options, footer = "" } = tool;
  const list = Object.entries(options).map(
    ([long, { hint, help, short }]) =>
      `.TP\n${names(long, short)}${hint === undefined ? "" : `=\\fI${roff(hint)}\\fR`}\n${roff(sentence(help))}`,
  );
  const [notes = "", status] = footer.replaceAll(/(?<!\n)\n(?!\n)/g, " ").split(/\s*Exit status: /);
  const others = tools.filter((other) => other !== tool).map((other) => `sd-notify-${other.name}(1)`);
  return page(template(name), {
    HEAD: `${head(`sd-notify-${name}`, lower(description).replace(/\.$/, ""))}
.SH SYNOPSIS
.B sd\\-notify ${name}
.RI [ OPTION ...]
${roff(operand)}`.trimEnd(),
    DESCRIPTION: roff(sentence(description)),
    OPTIONS: list.join("\n"),
    NOTES: roff(notes).replaceAll("\n\n", "\n.PP\n"),
    STATUS: exitStatus(status),
    SEE: seeAlso(["sd-notify(1)", ...others, ...UNITS]),
  });
}

const UNITS = ["systemd.service(5)"];

/** The page of a subcommand without a template. */
const PLAIN = `@HEAD@
.SH DESCRIPTION
@DESCRIPTION@
.PP
@NOTES@
.SH OPTIONS
@OPTIONS@
.SH EXIT STATUS
@STATUS@
.SH SEE ALSO
@SEE@
`;

function template(name: string): string {
  const path = join(import.meta.dir, "man", `${name}.template`);
  return existsSync(path) ? readFileSync(path, "utf8") : PLAIN;
}

function page(template: string, parts: Record<string, string>): string {
  const text = template.replaceAll(/@([A-Z]+)@/g, (_, name: string) => {
    const part = parts[name];
    if (part === undefined) throw new Error(`nothing for @${name}@`);
    return part;
  });
  // A table without notes leaves an empty paragraph.
  return text.replaceAll(/\n{2,}/g, "\n").replaceAll(/\.PP\n(?=\.SH)/g, "");
}

function head(name: string, what: string): string {
  return `.\\" Made by src/build/docs.ts: change that instead.
.TH ${roff(name.toUpperCase())} 1 ${DATE} "sd\\-notify ${version}" "User Commands"
.SH NAME
${roff(name)} \\- ${roff(what)}`;
}

/** "0 it went well; 1 it did not." as a list; as a sentence if not every part begins with a number. */
function exitStatus(text: string | undefined): string {
  if (text === undefined) return "0 on success, 1 on failure.";
  const items = text.replace(/\.$/, "").split(/(?:;|(?<=^\d [^;,]*),) (?=\d)/);
  const numbered = items.map((item) => /^(\d+) ([^;]+)$/s.exec(item));
  if (numbered.includes(null)) return roff(sentence(text));
  return numbered.map((found) => `.TP\n${found?.[1]}\n${roff(sentence(found?.[2] ?? ""))}`).join("\n");
}

/** ".BR name (1)," for each. */
function seeAlso(pages: readonly string[]): string {
  return pages.map((name, i) => `.BR ${roff(name.replace("(", " ("))}${i === pages.length - 1 ? "" : ","}`).join("\n");
}

function names(long: string, short: string | undefined): string {
  return [...(short === undefined ? [] : [`-${short}`]), `--${long}`].map((name) => `\\fB${roff(name)}\\fR`).join(", ");
}

function documented(): DocumentedOption[] {
  return OPTIONS.filter((option): option is typeof option & DocumentedOption => "help" in option);
}

/** With a capital at its start and a stop at its end. */
function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("…", "...")
    .replaceAll(/^([.'])/gm, "\\&$1");
}
