/**
 * Makes an unmodified program a unit of Type=notify: `bun --preload sd-notify/register server.ts`. Without a
 * service manager, and without passed sockets, it loads nothing and does nothing.
 *
 * @module
 */

if (process.env.NOTIFY_SOCKET !== undefined || process.env.LISTEN_FDS !== undefined) {
  // This is no import(), because everything must be in place for the program's first line. It is a literal, because
  // bundlers must find the file.
  require("./register/main.js");
}

export {};
