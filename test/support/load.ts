/** Requests at a steady rate while a server restarts. */

/** Where it is: a URL, and the path of a unix socket. */
export interface Target {
  url: string;
  unix?: string | undefined;
}

/**
 * Sends 1,000 requests a second, each on a connection of its own, and restarts the server meanwhile.
 *
 * @returns how many were sent, and what was answered instead of "ok".
 */
export async function restartUnderLoad(
  { url, unix }: Target,
  restart: () => Promise<unknown>,
  { restarts = 2, everyMs = 800 } = {},
): Promise<{ sent: number; lost: string[] }> {
  const init: BunFetchRequestInit = { headers: { connection: "close" }, keepalive: false, ...(unix && { unix }) };
  const request = async () => {
    const response = await fetch(url, init);
    const text = await response.text();
    return text === "ok" ? [] : [`${response.status} ${text}`];
  };
  // A failure is a result, too: an unhandled rejection would end the test before the restart is over.
  const requests: Promise<string[]>[] = [];
  const begin = performance.now();
  const elapsedMs = () => performance.now() - begin;
  let over = false;
  const restarted = (async () => {
    for (let n = 1; n <= restarts; n++) {
      await Bun.sleep(Math.max(0, n * everyMs - elapsedMs()));
      await restart();
    }
  })().finally(() => (over = true));
  restarted.catch(() => {});
  // On a slow machine it goes on for as long as the restarts do.
  while (!over || requests.length < (restarts + 1) * everyMs) {
    const due = Math.floor(elapsedMs());
    while (requests.length < due) requests.push(request().catch((error) => [`${error}`]));
    await Bun.sleep(1);
  }
  await restarted;
  return { sent: requests.length, lost: (await Promise.all(requests)).flat() };
}
