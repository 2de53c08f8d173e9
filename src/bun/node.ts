/**
 * Modules of Node's, each loaded when it is first used. A static import would load it at the start of every
 * program that this package is bundled into, and node:fs alone takes longer than a notification. (Not by
 * require(), which Bun writes as import.meta.require: in a bundle of CommonJS that is a syntax error. No
 * issue filed.)
 */
export const node = {
  get fs() {
    return process.getBuiltinModule("node:fs");
  },
  get net() {
    return process.getBuiltinModule("node:net");
  },
  get os() {
    return process.getBuiltinModule("node:os");
  },
  get tty() {
    return process.getBuiltinModule("node:tty");
  },
};
