import { serve } from "srvx";
import { answer, port } from "./answer.js";

serve({ port, fetch: async ({ url }) => new Response(await answer(url)) });
