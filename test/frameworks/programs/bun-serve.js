import { answer, path, port } from "./answer.js";

const where = path ? { unix: path } : { port };
Bun.serve({ ...where, fetch: async ({ url }) => new Response(await answer(url)) });
