/** What the doctor knows of a unit's files, and of what systemd has made of them. */

import type { InvalidLine } from "./environment-file.ts";
import type { Assignment } from "./unit-file.ts";

export interface Configuration {
  /** The unit file, then its drop-ins, in the order in which they count. What can't be read is left out. */
  files: readonly { path: string; assignments: readonly Assignment[] }[];
  /** The files are not as systemd has read them. */
  needsReload: boolean;
  /** What the manager wrote of the files when it read them. */
  complaints: readonly Complaint[];
  /** UnsetEnvironment=: names and assignments. */
  unset: readonly string[];
  environmentFiles: readonly EnvironmentFile[];
}

export interface Complaint {
  /** Without the place. */
  text: string;
  /** What is there, as it stands now; undefined: it is about the whole unit. */
  place?: { path: string; line: number; text: string } | undefined;
  /** The known setting that is meant, and where it belongs, if it says that a key is unknown. */
  meant?: { name: string; section: string } | undefined;
}

/** A file of EnvironmentFile=. */
export interface EnvironmentFile {
  path: string;
  /** With "-": it need not be there. */
  optional: boolean;
  found: "file" | "nothing" | "unreadable";
  /** Variables of systemd's own that it sets. */
  ofSystemd: readonly string[];
  /** Lines that systemd ignores. */
  invalid: readonly InvalidLine[];
  /** Values that have what is meant for a comment. */
  commented: readonly { line: number; name: string }[];
  /** The variables that it has in another way than the main process, which was started before it changed. */
  changed: readonly string[];
}

/** Of a unit file that could not be looked at. */
export const NO_CONFIGURATION: Configuration = {
  files: [],
  needsReload: false,
  complaints: [],
  unset: [],
  environmentFiles: [],
};
