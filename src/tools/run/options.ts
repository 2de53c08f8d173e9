/** The arguments of `sd-notify run`. All of them are checked before anything is started. */

import { UsageError } from "../../console/usage-error.ts";
import { commandOf, parse, parseTime, type Tool, type ToolOption } from "../options.ts";
import { execProbe, fileProbe, httpProbe, type Probe, tcpProbe, unixProbe } from "./probes.ts";

export const OPTIONS = {
  "ready-http": { type: "string", multiple: true, hint: "URL", help: "Ready when it answers with a status of 2xx" },
  "ready-tcp": { type: "string", multiple: true, hint: "HOST:PORT", help: "Ready when it accepts a connection" },
  "ready-unix": { type: "string", multiple: true, hint: "PATH", help: "Ready when the socket accepts a connection" },
  "ready-file": { type: "string", multiple: true, hint: "PATH", help: "Ready when the file exists" },
  "ready-log": { type: "string", multiple: true, hint: "REGEX", help: "Ready when a line of CMD's output matches" },
  "ready-exec": { type: "string", multiple: true, hint: "CMD", help: "Ready when this shell command succeeds" },
  "ready-after": { type: "string", hint: "TIME", help: "Ready after this time, if CMD is still running" },
  "reload-log": { type: "string", multiple: true, hint: "REGEX", help: "Reloaded when a line of CMD's output matches" },
  "healthy-http": { type: "string", multiple: true, hint: "URL", help: "Ping the watchdog while it answers 2xx" },
  "healthy-tcp": {
    type: "string",
    multiple: true,
    hint: "HOST:PORT",
    help: "Ping the watchdog while it accepts connections",
  },
  "healthy-unix": {
    type: "string",
    multiple: true,
    hint: "PATH",
    help: "Ping the watchdog while it accepts connections",
  },
  "healthy-exec": {
    type: "string",
    multiple: true,
    hint: "CMD",
    help: "Ping the watchdog while this command succeeds",
  },
  timeout: {
    type: "string",
    hint: "TIME",
    values: ["infinity"],
    help: "How long CMD may take to be ready [default: 5min]",
  },
  share: { type: "boolean", help: "Give CMD $NOTIFY_SOCKET and the watchdog too" },
  help: { type: "boolean", short: "h", help: "Show this help" },
} as const satisfies Record<string, ToolOption>;

export interface Plan {
  command: string[];
  /** The probes that must pass before the unit is ready, and again before it counts as reloaded. */
  ready: Probe[];
  /** For each of these, a line that matches must come too. */
  readyLog: RegExp[];
  readyAfterMs: number | undefined;
  reloadLog: RegExp[];
  /** The probes that must pass before a ping of the watchdog. */
  healthy: Probe[];
  timeoutMs: number;
  share: boolean;
}

/** Reads the arguments. @throws UsageError */
export function readPlan(tool: Tool<typeof OPTIONS>, args: readonly string[]): Plan {
  const parsed = parse(tool, args);
  const { values } = parsed;
  const command = commandOf(tool, parsed);
  const probes = <Name extends keyof typeof values>(name: Name, make: (value: string) => Probe): Probe[] =>
    ((values[name] ?? []) as string[]).map((value) => naming(name, value, make));
  const patterns = (name: "ready-log" | "reload-log") =>
    (values[name] ?? []).map((value) => naming(name, value, (source) => new RegExp(source)));

  // A file or a pattern says nothing about the health of a running program.
  const live = [
    ...probes("ready-http", httpProbe),
    ...probes("ready-tcp", tcpProbe),
    ...probes("ready-unix", unixProbe),
    ...probes("ready-exec", execProbe),
  ];
  const healthy = [
    ...probes("healthy-http", httpProbe),
    ...probes("healthy-tcp", tcpProbe),
    ...probes("healthy-unix", unixProbe),
    ...probes("healthy-exec", execProbe),
  ];
  const { "ready-after": after, share = false } = values;
  const readyAfterMs = after === undefined ? undefined : parseTime("ready-after", after);
  return {
    command,
    ready: [...live, ...probes("ready-file", fileProbe)],
    readyLog: patterns("ready-log"),
    readyAfterMs,
    reloadLog: patterns("reload-log"),
    healthy: healthy.length > 0 ? healthy : live,
    timeoutMs: readTimeout(values.timeout, readyAfterMs),
    share,
  };
}

// --- internal ---

const DEFAULT_TIMEOUT_MS = 300_000;

/** The time of --ready-after must pass before the other conditions are tried. */
function readTimeout(text: string | undefined, readyAfterMs = 0): number {
  if (text === undefined) return readyAfterMs + DEFAULT_TIMEOUT_MS;
  const timeoutMs = text === "infinity" ? Number.POSITIVE_INFINITY : parseTime("timeout", text);
  if (timeoutMs <= readyAfterMs && readyAfterMs > 0)
    throw new UsageError(`--timeout=${text} is over before --ready-after=`);
  return timeoutMs;
}

/** Adds the option's name to the error about its value. */
function naming<T>(option: string, value: string, make: (value: string) => T): T {
  try {
    if (value === "") throw new UsageError("it is empty");
    return make(value);
  } catch (error) {
    const why = (error as Error).message.replace(/^Invalid regular expression: /, "");
    throw new UsageError(`--${option}=${value}: ${why}`);
  }
}
