/**
 * Lines that stay at the foot of a terminal while others scroll above them: control sequences of ECMA-48 and
 * the VT100, which every terminal knows. The upper rows are the scrolling region, and the cursor stays in it,
 * so what other programs print scrolls there too.
 */

/** Reserves the last `height` of so many rows, below the cursor. What stands there is erased. */
export function reserveFoot(rows: number, height: number): string {
  // Newlines make room if the cursor is at the end. Setting the region moves the cursor.
  return `${RELEASE}${"\n".repeat(height)}\x1b[${height}A${SAVE}\x1b[1;${rows - height}r${RESTORE}`;
}

/** Writes the lines of the foot. */
export function drawFoot(rows: number, lines: readonly string[]): string {
  // Each line is erased before it is written. Erasing afterwards would take its last character if it fills the row.
  const drawn = lines.map((text, i) => `\x1b[${rows - lines.length + 1 + i};1H\x1b[0m\x1b[K${text}`);
  return `${SAVE}${drawn.join("")}${RESTORE}`;
}

/** Has the terminal mark what is pasted, or not mark it any more: xterm's bracketed paste mode. */
export const MARK_PASTES = "\x1b[?2004h";
export const MARK_NO_PASTES = "\x1b[?2004l";

// --- internal ---

/** The cursor's place, and its colours. */
const SAVE = "\x1b7";
const RESTORE = "\x1b8";

/** Gives all rows back, and changes nothing else. */
export const SCROLL_ALL = `${SAVE}\x1b[r${RESTORE}`;

/** Gives all rows back, and erases what is below the cursor. */
export const RELEASE = `${SCROLL_ALL}\x1b[J`;
