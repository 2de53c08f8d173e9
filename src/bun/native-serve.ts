/**
 * How sd-notify/register replaces Bun.serve(), which takes no passed socket (oven-sh/bun#22559). Every copy of this
 * package in the process finds the original here. This goes when a preload has a hook for that.
 */

import { singleton } from "./singleton.ts";

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
