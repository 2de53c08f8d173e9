import { answer } from "./answer.js";

export default { fetch: async ({ url }) => new Response(await answer(url)) };
