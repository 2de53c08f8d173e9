/**
 * Modules of Node's, each loaded when it is first used. A static import would load it at the start of every program that
 * this package is bundled into, and node:fs alone takes longer than a notification.
 */
export const node = {
  get fs() {
    return require("node:fs") as typeof import("node:fs");
  },
  get net() {
    return require("node:net") as typeof import("node:net");
  },
  get os() {
    return require("node:os") as typeof import("node:os");
  },
  get tty() {
    return require("node:tty") as typeof import("node:tty");
  },
};
