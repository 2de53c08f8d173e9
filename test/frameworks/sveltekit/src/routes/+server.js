import { answer } from "../../../programs/answer.js";

export const GET = async ({ url }) => new Response(await answer(url.href));
