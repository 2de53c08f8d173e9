import { node } from "./bun/node.ts";

/**
 * Returns whether the machine was booted with systemd, that is, whether /run/systemd/system is a directory. It says
 * nothing about this process: in a container, or with another service manager, notify() may still have
 * somebody to tell.
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
