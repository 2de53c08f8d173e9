/**
 * A server in a process of its own: `bun serve.ts serve|itself`. Prints its port, and in milliseconds how long it
 * took from the call until it listened, and from the start of the process.
 */

const [how] = process.argv.slice(2);
const options = { port: 0, hostname: "127.0.0.1", fetch: () => new Response("ok") };
const library = how === "serve" ? await import("sd-notify") : undefined;
const start = performance.now();
const server = library ? await library.serve(options) : Bun.serve(options);
const end = performance.now();
console.log(server.port, end - start, end);
