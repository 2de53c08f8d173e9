import { node } from "../bun/node.ts";

/**
 * Returns the path of a program that is called without the user having named it; undefined where there is
 * none. It is looked up in the absolute directories of $PATH only: a relative or empty one is for what the
 * user types, and in a directory that others may write to, it would have them decide what runs here.
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
