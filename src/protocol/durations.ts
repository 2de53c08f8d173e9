/** Times as people read them. */

/** Formats microseconds in the largest units that are exact enough: "1 min 30 s", "20 s", "1.5 ms". */
export function formatUsec(usec: number): string {
  if (usec < 1000) return `${usec} us`;
  if (usec < 1e6) return `${trim(usec / 1e3)} ms`;
  if (usec < 60e6) return `${trim(usec / 1e6)} s`;
  const seconds = Math.round(usec / 1e6);
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

// --- internal ---

function trim(number: number): string {
  return `${Number(number.toFixed(number < 10 ? 2 : 1))}`;
}
