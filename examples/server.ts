/** A Bun server as a unit of Type=notify-reload: examples/server.service. */

import { manageServer } from "sd-notify";

const configuration = process.env.CONFIGURATION ?? `${import.meta.dir}/server.json`;
let { greeting } = await Bun.file(configuration).json();
let requests = 0;

const server = Bun.serve({
  port: Number(process.env.PORT ?? 0),
  // For the watchdog's question: it is no traffic.
  routes: { "/healthz": () => new Response("ok\n") },
  async fetch(request) {
    requests++;
    await Bun.sleep(Number(new URL(request.url).searchParams.get("ms")));
    return new Response(`${greeting}\n`);
  },
});

manageServer(server, {
  status: () => `${requests} ${requests === 1 ? "request" : "requests"}`,
  async reload() {
    ({ greeting } = await Bun.file(configuration).json());
  },
  healthy: async () => (await fetch(new URL("/healthz", server.url))).ok,
});
