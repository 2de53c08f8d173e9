/**
 * Node.js modules, each loaded when it is first used. A static import would load it at the start of every program that
 * this package is bundled into, and node:fs alone takes longer than a notification. Bun writes require() as
 * import.meta.require, which is a syntax error in a CommonJS bundle. So this calls process.getBuiltinModule(). No
 * issue filed. This goes when an unused built-in costs nothing.
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
