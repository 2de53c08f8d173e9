/**
 * Makes an unmodified program a unit of Type=notify: `bun --preload sd-notify/register server.ts`. Without a
 * service manager, and without passed sockets, it loads nothing and does nothing.
 *
 * @module
 */

if (process.env.NOTIFY_SOCKET !== undefined || process.env.LISTEN_FDS !== undefined) {
  // A literal, and no import(): the program's first line must find all in place, and bundlers must find the file.
  require("./register/main.js");
}

export {};
