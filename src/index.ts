/** systemd's service notification protocol for Bun. @module */

export { FFIUnavailableError, SystemError } from "../ffi/errors.ts";
export { type BarrierOptions, barrier, barrierSync } from "./barrier.ts";
export { booted } from "./booted.ts";
export { childEnv } from "./environment.ts";
export { loadState, removeFds, type StoreOptions, saveState, storeFds } from "./fd-store.ts";
export { type FdKind, type ListenFd, listenFds, type SocketKind } from "./listen-fds.ts";
export { type ManagedServer, type ManageOptions, manageServer, type StoppableServer } from "./manage-server.ts";
export type { State } from "./message.ts";
export { notify } from "./notify.ts";
export { notifyRaw } from "./notify-raw.ts";
export type { SendOptions } from "./send.ts";
export { type FetchServer, type ServeOptions, serve } from "./serve.ts";
export { startWatchdog, type Watchdog, type WatchdogOptions, watchdogTimeoutMs } from "./watchdog.ts";
