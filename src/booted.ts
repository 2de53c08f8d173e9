import { node } from "./bun/node.ts";

/**
 * Returns whether systemd booted this machine, that is, whether /run/systemd/system is a directory. This says nothing
 * about the process itself: in a container, or under another service manager, notify() may still reach somebody.
 *
 * @see sd_booted(3)
 * @example
 * if (!booted()) console.log("no systemd here");
 */
export function booted(): boolean {
  try {
    return node.fs.lstatSync("/run/systemd/system").isDirectory();
  } catch {
    return false;
  }
}
