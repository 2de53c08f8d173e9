import { createServer } from "node:http";
import { answer, path, port } from "./answer.js";

createServer(async ({ url = "" }, response) => response.end(await answer(url))).listen(path ?? port);
