import { Elysia } from "elysia";
import { answer, port } from "./answer.js";

new Elysia().get("/", ({ request }) => answer(request.url)).listen(port);
