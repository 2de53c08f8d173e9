import { H3, serve } from "h3";
import { answer, port } from "./answer.js";

const app = new H3();
app.get("/", ({ req }) => answer(req.url));
serve(app, { port });
