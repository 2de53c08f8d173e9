import Koa from "koa";
import { answer, port } from "./answer.js";

const app = new Koa();
app.use(async (context) => {
  context.body = await answer(context.url);
});
app.listen(port);
