/** Lines for people. They must not fill a log, whatever a command sends. */

/** Returns a function that prints a line, but only a few in a minute. It prints how many more there were. */
export function limited(say: (line: string) => void): (line: string) => void {
  let startMs = Number.NEGATIVE_INFINITY;
  let count = 0;
  return (line) => {
    const now = performance.now();
    if (now - startMs > INTERVAL_MS) {
      if (count > MAX_LINES) say(`${count - MAX_LINES} more lines were left out`);
      startMs = now;
      count = 0;
    }
    if (++count <= MAX_LINES) say(line);
  };
}

// --- internal ---

const INTERVAL_MS = 60_000;
const MAX_LINES = 100;
