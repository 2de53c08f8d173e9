import { answer, port } from "./answer.js";

Bun.serve({ port, fetch: async ({ url }) => new Response(await answer(url)) });
