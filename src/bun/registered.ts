/**
 * How sd-notify/register replaces Bun.serve(), and what it hears from the program. Bun.serve() takes no passed socket,
 * and tells nobody when a server listens (oven-sh/bun#22559). Every copy of this package in the process finds both
 * here. This goes when a preload has a hook for that.
 */

import { singleton } from "./singleton.ts";

/** The one sd-notify/register of a process. */
export interface Register {
  /** Hears what the program itself has told the service manager. */
  hear(message: string | Uint8Array): void;
  /** Hears that the process is about to end. */
  stops(): void;
  /** Leaves everything to the program's manageServer(). */
  stepBack(): void;
  /** Adds a server that serve() has opened, which does not use the Bun.serve() that the program sees. */
  add(server: Bun.Server<unknown>): void;
}

/** Empty if the program runs without sd-notify/register. */
export const registered = singleton<Register>("sd-notify.register");

/** Bun.serve() as Bun has it. */
export function nativeServe(options: Bun.Serve.Options<unknown, string>): Bun.Server<unknown> {
  return (original.current ?? Bun.serve).call(Bun, options);
}

/** Replaces Bun.serve() by another function for the program, and for node:http and `export default` too. */
export function replaceServe(serve: (options: Bun.Serve.Options<unknown, string>) => Bun.Server<unknown>): void {
  original.current ??= Bun.serve;
  Bun.serve = serve as typeof Bun.serve;
}

// --- internal ---

const original = singleton<(options: Bun.Serve.Options<unknown, string>) => Bun.Server<unknown>>("sd-notify.Bun.serve");
