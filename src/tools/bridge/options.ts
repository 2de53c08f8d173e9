/** The options of the bridge: the settings of a unit, by the same names, and how the bridge answers. */

import { UsageError } from "../../console/usage-error.ts";
import { commandOf, parse, parseCount, parseTime, parseTimeout, parseWord, type Tool } from "../options.ts";
import type { Place } from "./http-server.ts";

const TYPES = ["notify", "notify-reload"] as const;
const ACCESS = ["none", "main", "exec", "all"] as const;

export const tool = {
  name: "bridge",
  description: "Start a command as systemd would, where there is no systemd",
  operand: "-- CMD [ARG…]",
  options: {
    http: {
      type: "string",
      multiple: true,
      hint: "ADDRESS",
      help: "Answer probes at [HOST:]PORT or unix:PATH",
    },
    watchdog: { type: "string", hint: "TIME", help: "WatchdogSec=: the time between two pings at most" },
    type: { type: "string", hint: "TYPE", values: TYPES, help: "Type=: notify [default] or notify-reload" },
    "notify-access": {
      type: "string",
      hint: "WHO",
      values: ACCESS,
      help: "NotifyAccess=: none, main [default], exec or all",
    },
    "timeout-start": { type: "string", hint: "TIME", help: "TimeoutStartSec= [default: 90 s]; 0: none" },
    "timeout-stop": { type: "string", hint: "TIME", help: "TimeoutStopSec= [default: 90 s]; 0: none" },
    "drain-delay": { type: "string", hint: "TIME", help: "How long to be unready before CMD is stopped" },
    restart: { type: "boolean", help: "Start CMD again when it ends, instead of ending too" },
    fdstore: { type: "string", hint: "N", help: "FileDescriptorStoreMax=: fds kept for a restart" },
    forward: { type: "boolean", help: "Pass messages on to the bridge's own $NOTIFY_SOCKET" },
    socket: { type: "string", hint: "PATH", help: "Where CMD's socket is, for a container to mount" },
    "socket-mode": {
      type: "string",
      hint: "MODE",
      help: "Its permissions [default: 666 or 600, see docs]",
    },
    help: { type: "boolean", short: "h", help: "Show this help" },
  },
  footer:
    "Answers at /livez, /readyz, /startupz, /status and /metrics, and sd-notify probe. " +
    "SIGTERM, SIGINT and SIGQUIT stop CMD, SIGHUP reloads it; other signals are passed on. As PID 1 it reaps " +
    "orphans. Times are seconds, or a number with ms, s, min or h.\n\n" +
    "Exit status: that of CMD, or killed by the same signal (128 + the signal, as PID 1); not 0 after an expired " +
    "watchdog or a start that took too long; 203 CMD can't be executed; 1 wrong arguments.",
} as const satisfies Tool;

export interface BridgeOptions {
  command: string[];
  http: Place[];
  type: (typeof TYPES)[number];
  notifyAccess: (typeof ACCESS)[number];
  /** 0: no watchdog. */
  watchdogUsec: number;
  timeoutStartMs: number;
  timeoutStopMs: number;
  drainDelayMs: number;
  restart: boolean;
  fdStoreMax: number;
  forward: boolean;
  /** The path of the socket; undefined: a place where nobody else finds it. */
  socket: string | undefined;
  /** Its permissions; undefined: they depend on those of its directory. */
  socketMode: number | undefined;
}

/** Reads the arguments. @throws UsageError */
export function parseOptions(args: readonly string[]): BridgeOptions {
  const parsed = parse(tool, args);
  const { values } = parsed;
  const { socket, "socket-mode": mode, forward = false, fdstore, "drain-delay": drain } = values;
  if (mode !== undefined && socket === undefined) throw new UsageError("--socket-mode= belongs to --socket=");
  if (socket !== undefined && !socket.startsWith("/")) {
    throw new UsageError(`--socket=${socket}: a path has to begin with /`);
  }
  if (forward && fdstore !== undefined) {
    throw new UsageError("--fdstore= is of no use with --forward: the manager above keeps the fds");
  }
  if (forward && process.env.NOTIFY_SOCKET === undefined) {
    throw new UsageError("--forward: $NOTIFY_SOCKET is not set, so there is nobody to pass messages on to");
  }
  return {
    command: commandOf(tool, parsed),
    http: (values.http ?? []).map(parsePlace),
    type: parseWord("type", values.type ?? "notify", TYPES),
    notifyAccess: parseWord("notify-access", values["notify-access"] ?? "main", ACCESS),
    watchdogUsec: values.watchdog === undefined ? 0 : Math.round(parseTime("watchdog", values.watchdog) * 1000),
    timeoutStartMs: parseTimeout("timeout-start", values["timeout-start"], 90_000),
    timeoutStopMs: parseTimeout("timeout-stop", values["timeout-stop"], 90_000),
    drainDelayMs: drain === undefined ? 0 : parseTime("drain-delay", drain),
    restart: values.restart ?? false,
    fdStoreMax: fdstore === undefined ? 0 : parseCount("fdstore", fdstore),
    forward,
    socket,
    socketMode: mode === undefined ? undefined : parseMode(mode),
  };
}

/** Returns the option that does the same as a line of a unit file; for any other text, the text itself. */
export function asOption(line: string): string {
  const [, setting = "", value] = /^(\w+)=(\w+)$/.exec(line) ?? [];
  const option = Object.hasOwn(SETTINGS, setting) ? SETTINGS[setting] : undefined;
  return option === undefined ? line : `--${option}=${value}`;
}

// --- internal ---

const SETTINGS: Record<string, string> = {
  FileDescriptorStoreMax: "fdstore",
  NotifyAccess: "notify-access",
  Type: "type",
  WatchdogSec: "watchdog",
};

function parsePlace(text: string): Place {
  const [, path] = /^unix:(\/.+)$/s.exec(text) ?? [];
  if (path !== undefined && !path.includes("\0")) return { path };
  const [, ipv6, name, digits] = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (!(port >= 0 && port <= 65_535)) {
    throw new UsageError(`--http=${text}: it must be PORT, HOST:PORT, [IPV6]:PORT or unix:/PATH`);
  }
  return { host: ipv6 ?? name ?? LOOPBACK, port };
}

const LOOPBACK = "127.0.0.1";

function parseMode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text)) throw new UsageError(`--socket-mode=${text}: it must be three octal digits`);
  return Number.parseInt(text, 8);
}
