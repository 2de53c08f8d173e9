/** A recording: what --json wrote, told once more. */

import { UsageError } from "../../console/usage-error.ts";
import type { MonitorEvent } from "./events.ts";
import { parseEvent } from "./parse-event.ts";

/**
 * Tells of each event of a file. The monitor that wrote it may have been killed in the middle of a line.
 *
 * @throws UsageError if the file can't be read, or is not a recording.
 */
export async function replay(path: string, tell: (event: MonitorEvent) => void | Promise<void>): Promise<void> {
  let count = 0;
  for await (const { line, isLast } of linesOf(path)) {
    count++;
    let event: MonitorEvent | undefined;
    try {
      event = parseEvent(line);
    } catch (error) {
      if (isLast && count > 1) return;
      throw new UsageError(
        `--replay=${path}: line ${count} is no event of monitor --json: ${(error as Error).message}`,
      );
    }
    if (event) await tell(event);
  }
  if (count === 0) throw new UsageError(`--replay=${path}: it is empty`);
}

// --- internal ---

/** More than a message of the largest size makes, in characters. */
const MAX_LINE = 1 << 26;

/** `isLast`: it has no newline. */
async function* linesOf(path: string): AsyncGenerator<{ line: string; isLast: boolean }> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of Bun.file(path).stream()) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield { line, isLast: false };
      if (rest.length > MAX_LINE)
        throw new UsageError(`--replay=${path}: it has a line that is too long to be an event`);
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`--replay=${path}: it can't be read: ${(error as Error).message}`);
  }
  if (rest !== "") yield { line: rest, isLast: true };
}
