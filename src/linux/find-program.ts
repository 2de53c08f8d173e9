import { node } from "../bun/node.ts";

/**
 * Returns the path of a program that the user has not asked for by name; undefined if there is none. It is looked up
 * only in the absolute directories of $PATH. Relative and empty ones are meant for commands that the user types. With
 * those, anybody who may write to the working directory would decide what runs here.
 */
export function findProgram(name: string, fits = isExecutable): string | undefined {
  for (const directory of (process.env.PATH ?? DEFAULT_PATH).split(":")) {
    const path = `${directory}/${name}`;
    if (directory.startsWith("/") && fits(path)) return path;
  }
  return undefined;
}

// --- internal ---

const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

function isExecutable(path: string): boolean {
  const { accessSync, constants, statSync } = node.fs;
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
