import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { answer, port } from "./answer.js";

const app = new Hono();
app.get("/", async (context) => context.text(await answer(context.req.url)));
serve({ fetch: app.fetch, port });
