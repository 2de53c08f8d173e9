/** Whether a server is healthy: asked by the watchdog and by the probes, and answered once for both. */

/** Asks the hook. A second question while the first is open gets the same answer. */
export function healthCheck(healthy: () => unknown): () => Promise<unknown> {
  let asking: Promise<unknown> | undefined;
  return () => {
    asking ??= (async () => healthy())().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}
