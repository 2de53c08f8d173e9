/** What the doctor knows of a unit's files, and of what systemd has made of them. */

import type { InvalidLine } from "./environment-file.ts";
import type { Assignment } from "./unit-file.ts";

export interface Configuration {
  /** The unit file, then its drop-ins, in the order in which they count. What can't be read is left out. */
  files: readonly { path: string; assignments: readonly Assignment[] }[];
  /** The files have changed since systemd read them. */
  needsReload: boolean;
  /** What the manager logged about the files when it read them. */
  complaints: readonly Complaint[];
  /** UnsetEnvironment=: names and assignments. */
  unset: readonly string[];
  environmentFiles: readonly EnvironmentFile[];
}

export interface Complaint {
  /** Without the place. */
  text: string;
  /** The text at that place now; undefined: the complaint is about the whole unit. */
  place?: { path: string; line: number; text: string } | undefined;
  /** If the complaint says that a key is unknown: the known setting that is meant, and where it belongs. */
  meant?: { name: string; section: string } | undefined;
}

/** The complaint about each line above the first section. */
export const OUTSIDE = /outside of section/;

/** A file of EnvironmentFile=. */
export interface EnvironmentFile {
  path: string;
  /** With "-": it need not be there. */
  optional: boolean;
  found: "file" | "nothing" | "unreadable";
  /** The variables that it sets although they are systemd's own. */
  ofSystemd: readonly string[];
  /** Lines that systemd ignores. */
  invalid: readonly InvalidLine[];
  /** Values that contain what is meant as a comment. */
  commented: readonly { line: number; name: string }[];
  /** The variables whose values the main process doesn't have, because it was started before the file changed. */
  changed: readonly string[];
}

/** The facts of a unit file that could not be read. */
export const NO_CONFIGURATION: Configuration = {
  files: [],
  needsReload: false,
  complaints: [],
  unset: [],
  environmentFiles: [],
};
