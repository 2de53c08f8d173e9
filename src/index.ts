/** systemd's service notification protocol for Bun. @module */

export { FFIUnavailableError, SystemError } from "../ffi/errors.ts";
export { type BarrierOptions, barrier, barrierSync } from "./barrier.ts";
export { booted } from "./booted.ts";
export type { State } from "./message.ts";
export { notify } from "./notify.ts";
export { notifyRaw } from "./notify-raw.ts";
export type { SendOptions } from "./send.ts";
