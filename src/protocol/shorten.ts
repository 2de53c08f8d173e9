/** Shortens a text to at most `max` UTF-16 units, with "…" in place of the rest. It cuts no character in two. */
export function shorten(text: string, max: number): string {
  if (text.length <= max) return text;
  return `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
