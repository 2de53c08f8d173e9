/** A Bun server as a unit of Type=notify-reload. */

import { notify } from "sd-notify";

const server = Bun.serve({ port: 0, fetch: () => new Response("Hello\n") });

process.on("SIGHUP", () => {
  notify({ reloading: true, status: "Reading the configuration again" });
  notify({ ready: true, status: `Listening on ${server.url}` });
});

process.on("SIGTERM", async () => {
  notify({ stopping: true, status: "Waiting for the last requests" });
  await server.stop();
});

// READY comes last, when there is somebody to listen to the signals.
notify({ ready: true, status: `Listening on ${server.url}` });
