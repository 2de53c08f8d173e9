/** THE table of options: the parser, the help and the introspection follow it. */

/** Whether an option has a value: never; optionally, after `=`; or always, after `=` or as the next argument. */
export type ValueRule = "none" | "optional" | "required";

export interface Option {
  long: string;
  short?: string;
  value: ValueRule;
  /** It may be given several times. */
  multiple?: boolean;
  /** The name of the value in the help. The completions recognise a PID, a USER, an FD and the like by it. */
  hint?: string;
  /** The words that the value may be, besides what the hint says. */
  values?: readonly string[];
  /** What the option does, in at most 55 columns. Without this, the option is not in the help. */
  help?: string;
}

export const OPTIONS = [
  { long: "help", short: "h", value: "none", help: "Show this help" },
  { long: "version", value: "none", help: "Show the version" },
  { long: "ready", value: "none", help: "Start-up, or a reload, is complete" },
  { long: "reloading", value: "none", help: "The configuration is being reloaded" },
  { long: "stopping", value: "none", help: "The service is shutting down" },
  {
    long: "pid",
    value: "optional",
    hint: "PID",
    values: ["auto", "parent", "self"],
    help: "Set the main PID: a number, auto [default], parent, self",
  },
  { long: "uid", value: "required", hint: "USER", help: "Send as this user: a name or a number" },
  { long: "status", value: "required", hint: "TEXT", help: "Set the text that systemctl status shows" },
  { long: "booted", value: "none", help: "Check whether systemd booted this machine" },
  { long: "no-block", value: "none", help: "Do not wait until the manager has read the message" },
  { long: "exec", value: "none", help: "Then execute the command that follows a ';'" },
  { long: "fd", value: "required", multiple: true, hint: "FD", help: "Send a file descriptor for the fd store" },
  { long: "fdname", value: "required", hint: "NAME", help: "Name the file descriptors in the fd store" },
  { long: "fork", value: "none", help: "Start a command, and wait until it is ready" },
  { long: "quiet", short: "q", value: "none", help: "Do not print the PID of the command that --fork starts" },
  { long: "introspect-cli", value: "none" },
] as const satisfies readonly Option[];

/** The name of an option, without dashes. */
export type OptionName = (typeof OPTIONS)[number]["long"];
