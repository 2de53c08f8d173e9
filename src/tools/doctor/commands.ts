/** The commands of a unit, as `systemctl show` prints them. Pure. */

import type { Command, Ending } from "./facts.ts";

/** Reads the value of one setting: `{ path=/bin/x ; argv[]=/bin/x -y ; … ; status=1 }` for each command. */
export function parseCommands(setting: string, text: string): Command[] {
  // A command line may contain newlines and braces.
  return text.split(/\n(?=\{ path=)/).flatMap((shown) => {
    const [, path = "", line = "", flags = "", pid = "0", code = "", status = "0"] = COMMAND.exec(shown) ?? [];
    if (path === "") return [];
    const ended: Ending = code === "exited" || code === "killed" || code === "dumped" ? code : "";
    const ignored = flags === "ignore_errors=yes";
    return [{ setting, path, line, ignored, pid: Number(pid), ended, status: Number(status) }];
  });
}

/** The first command that failed in a way that counts. One that reloads or stops the unit comes last. */
export function failedCommand(commands: readonly Command[]): Command | undefined {
  const failed = commands.filter(({ ended, status, ignored }) => !ignored && ended !== "" && !isClean(ended, status));
  return failed.find(({ setting }) => setting !== "ExecReload" && !setting.startsWith("ExecStop")) ?? failed[0];
}

/** systemd.service(5), SuccessExitStatus=: the signals that stop a daemon properly count as success too. */
export function isClean(ended: Ending, status: number): boolean {
  if (ended === "exited") return status === 0;
  return ended === "killed" && CLEAN_SIGNALS.has(status);
}

// --- internal ---

const COMMAND = new RegExp(
  [
    /^\{ path=(.*?)/,
    /argv\[\]=([\s\S]*)/,
    /((?:ignore_errors|flags)=.*?)/,
    /start_time=\[.*?\]/,
    /stop_time=\[.*?\]/,
    /pid=(\d+)/,
    /code=(\S+)/,
    /status=(\d+)(?:\/\S*)? \}$/,
  ]
    .map(({ source }) => source)
    .join(" ; "),
);

/** SIGHUP, SIGINT, SIGTERM, SIGPIPE. */
const CLEAN_SIGNALS = new Set([1, 2, 15, 13]);
