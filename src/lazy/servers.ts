/** The part of the library that index.ts loads when it is used: servers, passed file descriptors, the fd store. */

export { removeFds, storeFds } from "../server/fd-store.ts";
export { listenFds } from "../server/listen-fds.ts";
export { manageServer } from "../server/manage-server.ts";
export { loadState, saveState } from "../server/saved-state.ts";
export { serve } from "../server/serve.ts";
