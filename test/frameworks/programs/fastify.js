import fastify from "fastify";
import { answer, port } from "./answer.js";

const app = fastify();
app.get("/", ({ url }) => answer(url));
await app.listen({ port });
