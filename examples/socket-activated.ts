/** A server on a socket that systemd opens, and keeps while the server restarts: examples/socket-activated.socket. */

import { manageServer, serve } from "sd-notify";

const server = await serve({ fetch: () => new Response(`Hello from process ${process.pid}\n`) });
manageServer(server);
