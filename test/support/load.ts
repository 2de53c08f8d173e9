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
  let [done, restarted] = [0, Promise.resolve<unknown>(undefined)];
  const total = (restarts + 1) * everyMs;
  while (requests.length < total || done < restarts) {
    const due = Math.min(total, Math.floor(performance.now() - begin));
    while (requests.length < due) requests.push(request().catch((error) => [`${error}`]));
    if (done < restarts && due >= (done + 1) * everyMs) {
      done++;
      restarted = restarted.then(restart);
    }
    await Bun.sleep(1);
  }
  await restarted;
  return { sent: requests.length, lost: (await Promise.all(requests)).flat() };
}
