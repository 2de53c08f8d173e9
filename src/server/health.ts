/** Whether a server is healthy. The watchdog and the probes ask this, and share an answer. */

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
