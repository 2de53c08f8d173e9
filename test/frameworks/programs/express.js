import express from "express";
import { answer, port } from "./answer.js";

const app = express();
app.get("/", async ({ url }, response) => response.send(await answer(url)));
app.listen(port, () => console.log(`listening on ${port}`));
