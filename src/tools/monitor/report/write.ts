/** Writes the file of a report. */

import { closeSync, openSync, writeFileSync } from "node:fs";
import { UsageError } from "../../../console/usage-error.ts";
import { page } from "./page.ts";
import type { Recording } from "./recording.ts";

/** Checks that the file can be written. Creates it if it is missing, and keeps its contents. @throws UsageError */
export function checkReport(path: string): void {
  orExplain(path, () => closeSync(openSync(path, "a")));
}

/** Writes the report. @throws UsageError */
export function writeReport(path: string, recording: Recording): void {
  recording.flush();
  orExplain(path, () => writeFileSync(path, page(recording)));
}

// --- internal ---

function orExplain(path: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    throw new UsageError(`--report=${path}: it can't be written: ${(error as Error).message}`);
  }
}
