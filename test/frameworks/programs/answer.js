/** What all programs of this directory answer: "ok", later with ?ms=, and never again with ?hang. */

import { writeFileSync } from "node:fs";

export async function answer(url) {
  const { searchParams } = new URL(url, "http://localhost");
  if (searchParams.has("hang")) for (;;);
  const ms = Number(searchParams.get("ms"));
  if (ms > 0) {
    // For the test, which waits for that.
    if (process.env.TAKEN_FILE) writeFileSync(process.env.TAKEN_FILE, "");
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
  return "ok";
}

export const port = Number(process.env.PORT ?? 3000);

/** The path of a unix socket, in place of the port. */
export const path = process.env.SOCKET_PATH;
