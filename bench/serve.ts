/**
 * A server in a process of its own: `bun serve.ts own|passed`. Prints its port, and the milliseconds that it
 * took to listen.
 */

import { serve } from "sd-notify";

const [how] = process.argv.slice(2);
const options = { fetch: () => new Response("Hello\n") };
const start = performance.now();
const server = how === "passed" ? await serve(options) : Bun.serve({ ...options, port: 0, hostname: "127.0.0.1" });
console.log(server.port, performance.now() - start);
