/** What the build adds to dist/index.js, as text: the function that loads dist/servers.js. */

/**
 * A bundler puts servers.js in place of the call of require(). In the file itself Bun has no require(), unless the
 * program has a global one, which would look for the file elsewhere. Then node:module makes one. (Not
 * import.meta.require(): Bun's bundler leaves that as it is.)
 */
export const LOAD_SERVERS =
  'function loadServers(){return typeof require==="function"&&require!==globalThis.require?require("./servers.js"):' +
  'process.getBuiltinModule("node:module").createRequire(import.meta.url)("./servers.js")}';
