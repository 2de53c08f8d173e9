/** systemd's service notification protocol for Bun. @module */

export { FFIUnavailableError, SystemError } from "../ffi/errors.ts";
export { type BarrierOptions, barrier, barrierSync } from "./barrier.ts";
export { booted } from "./booted.ts";
export { childEnv } from "./child-env.ts";
export { notify } from "./notify.ts";
export { notifyRaw } from "./notify-raw.ts";
export type { State } from "./protocol/state.ts";
export { removeFds, type StoreOptions, storeFds } from "./server/fd-store.ts";
export { type FdKind, type ListenFd, listenFds, type SocketKind } from "./server/listen-fds.ts";
export {
  type ManagedServer,
  type ManageOptions,
  manageServer,
  type ProbeOptions,
  type Servers,
  type StoppableServer,
} from "./server/manage-server.ts";
export { loadState, saveState } from "./server/saved-state.ts";
export { type ServeOptions, serve } from "./server/serve.ts";
export type { SendOptions } from "./transport/options.ts";
export { startWatchdog, type Watchdog, type WatchdogOptions, watchdogTimeoutMs } from "./watchdog.ts";
