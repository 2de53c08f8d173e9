/** The options of the monitor: the settings of a unit, by the same names. */

import { UsageError } from "../../console/usage-error.ts";
import {
  commandOf,
  type Parsed,
  parse,
  parseCount,
  parseTime,
  parseTimeout,
  parseWord,
  type Tool,
} from "../options.ts";

const TYPES = ["notify", "notify-reload"] as const;
const ACCESS = ["none", "main", "exec", "all"] as const;
const UNTIL = ["ready", "stopping", "exit"] as const;

export const tool = {
  name: "monitor",
  description: "Start a command, and show what systemd would make of it",
  operand: "-- CMD [ARG…]",
  options: {
    type: { type: "string", hint: "TYPE", values: TYPES, help: "Type=: notify [default] or notify-reload" },
    "notify-access": {
      type: "string",
      hint: "WHO",
      values: ACCESS,
      help: "NotifyAccess=: none, main [default], exec or all",
    },
    watchdog: { type: "string", hint: "TIME", help: "WatchdogSec=: the time between two pings at most" },
    "timeout-start": { type: "string", hint: "TIME", help: "TimeoutStartSec= [default: 90 s]; 0: none" },
    "timeout-stop": { type: "string", hint: "TIME", help: "TimeoutStopSec= [default: 90 s]; 0: none" },
    fdstore: { type: "string", hint: "N", help: "FileDescriptorStoreMax=: fds kept for a restart" },
    restart: { type: "boolean", help: "Restart=always: start CMD again when it ends" },
    until: { type: "string", hint: "WHAT", values: UNTIL, help: "Stop CMD and exit at: ready, stopping or exit" },
    timeout: { type: "string", hint: "TIME", help: "How long --until may take" },
    strict: { type: "boolean", help: "Exit with 5 if anything was ignored" },
    json: { type: "boolean", help: "Print an object for each event, on a line each" },
    report: { type: "string", hint: "PATH", help: "Write a page of HTML that shows the life of CMD" },
    replay: { type: "string", hint: "PATH", help: "Start nothing: show what --json wrote" },
    help: { type: "boolean", short: "h", help: "Show this help" },
  },
  footer:
    "Keys on a terminal: r reload, R restart, t stop, q quit, ? help, Ctrl-C stop, Ctrl-Z suspend. What CMD " +
    "prints goes to standard error. Times are seconds, or a number with ms, s, min or h.\n\n" +
    "Exit status: 0 CMD has done what --until waits for, or ended well; 1 wrong arguments; 3 it ended before, " +
    "or ended badly; 4 the time was over; 5 something was ignored, with --strict; 131 SIGQUIT has stopped it.",
} as const satisfies Tool;

export interface MonitorOptions {
  command: string[];
  type: (typeof TYPES)[number];
  notifyAccess: (typeof ACCESS)[number];
  /** 0: no watchdog. */
  watchdogUsec: number;
  timeoutStartMs: number;
  timeoutStopMs: number;
  fdStoreMax: number;
  restart: boolean;
  until: (typeof UNTIL)[number] | undefined;
  timeoutMs: number;
  strict: boolean;
  json: boolean;
  /** The file of the report. */
  report: string | undefined;
  /** The file whose events are told instead of a command's. Then there is no command. */
  replay: string | undefined;
}

/** Reads the arguments. @throws UsageError */
export function parseOptions(args: readonly string[]): MonitorOptions {
  const parsed = parse(tool, args);
  const { values } = parsed;
  if (values.report === "") throw new UsageError("--report needs the name of a file");
  return {
    command: values.replay === undefined ? commandOf(tool, parsed) : noCommand(parsed),
    type: parseWord("type", values.type ?? "notify", TYPES),
    notifyAccess: parseWord("notify-access", values["notify-access"] ?? "main", ACCESS),
    watchdogUsec: values.watchdog === undefined ? 0 : Math.round(parseTime("watchdog", values.watchdog) * 1000),
    timeoutStartMs: parseTimeout("timeout-start", values["timeout-start"], 90_000),
    timeoutStopMs: parseTimeout("timeout-stop", values["timeout-stop"], 90_000),
    fdStoreMax: values.fdstore === undefined ? 0 : parseCount("fdstore", values.fdstore),
    restart: values.restart ?? false,
    until: values.until === undefined ? undefined : parseWord("until", values.until, UNTIL),
    timeoutMs: parseTimeout("timeout", values.timeout, Number.POSITIVE_INFINITY),
    strict: values.strict ?? false,
    json: values.json ?? false,
    report: values.report,
    replay: values.replay,
  };
}

// --- internal ---

/** @throws UsageError if there is a command, or an option that is about one. */
function noCommand({ values, operands, command }: Parsed<(typeof tool)["options"]>): string[] {
  const other = Object.keys(values).find((name) => !["replay", "report", "json"].includes(name));
  if (other !== undefined) throw new UsageError(`--${other} is for a command, and --replay starts none`);
  if (operands.length > 0 || command !== undefined) throw new UsageError("--replay starts no command");
  return [];
}
