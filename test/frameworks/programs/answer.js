/** What all programs of this directory answer: "ok", later with ?ms=, and never again with ?hang. */

export async function answer(url) {
  const { searchParams } = new URL(url, "http://localhost");
  if (searchParams.has("hang")) for (;;);
  await Bun.sleep(Number(searchParams.get("ms")));
  return "ok";
}

export const port = Number(process.env.PORT ?? 3000);
