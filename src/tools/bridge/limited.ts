/** Lines for people, of which a log is not to be full, whatever a command sends. */

/** Returns a function that says a line, but not more than a few in a minute; of more it says how many there were. */
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
