/**
 * At its end, Bun gives the terminals among its standard fds the modes that they had at its start, whatever has become
 * of them since. In the background that stops the process by SIGTTOU, so it never ends, or it changes the terminal of
 * another program. No issue filed. This goes when Bun restores only what it has changed.
 */

import { replaceFd } from "../../ffi/process.ts";
import { node } from "./node.ts";

let isLeftToBun = false;

/** Undoes keepTerminalModes(). Unlike setRawMode(), Bun's end does not wait until a terminal takes output. */
export function restoreTerminalModes(): void {
  isLeftToBun = true;
}

/** At the end of this process, leaves the modes of its terminals as they are then. Call it before others listen. */
export function keepTerminalModes(): void {
  process.once("exit", () => {
    if (isLeftToBun) return;
    try {
      const terminals = [0, 1, 2].filter((fd) => node.tty.isatty(fd));
      if (terminals.length === 0) return;
      const nothing = node.fs.openSync("/dev/null", "r+");
      for (const fd of terminals) replaceFd(nothing, fd);
    } catch {
      // There is no bun:ffi, or no fd. It ends all the same.
    }
  });
}
