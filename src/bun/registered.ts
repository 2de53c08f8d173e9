/**
 * What sd-notify/register hears from the program, because Bun tells nobody when a server listens (oven-sh/bun#22559).
 * Every copy of this package in the process finds it here. This goes when a preload has a hook for that.
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
