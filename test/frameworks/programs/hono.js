import { Hono } from "hono";
import { answer } from "./answer.js";

const app = new Hono();
app.get("/", async (context) => context.text(await answer(context.req.url)));
export default app;
