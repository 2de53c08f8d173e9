/** The package, built where nothing of it is left afterwards. */

import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { version } from "../../package.json";
import { BUN, ROOT, run } from "./command.ts";

export interface Built {
  /** Where it was built. The source is gone. */
  directory: string;
  tarball: string;
  /** The standalone binary; only with `binary`. */
  binary: string;
}

/** Copies this checkout, without what it has built. The packages that are bundled are copied, the others linked. */
export function copyCheckout(directory: string): void {
  const built = ["node_modules", "dist", ".git"];
  const filter = (path: string) => !built.includes(basename(path)) && !path.endsWith(".tgz");
  for (const name of readdirSync(ROOT).filter(filter)) {
    cpSync(join(ROOT, name), join(directory, name), { recursive: true, filter });
  }
  const modules = join(directory, "node_modules");
  mkdirSync(modules);
  for (const name of readdirSync(join(ROOT, "node_modules"))) {
    const [from, to] = [join(ROOT, "node_modules", name), join(modules, name)];
    if (name === "citty") cpSync(from, to, { recursive: true });
    else symlinkSync(from, to);
  }
}

/**
 * Builds and packs a copy of this checkout in `directory`/source, keeps what is to be shipped, and removes the copy.
 *
 * @throws Error when a step fails.
 */
export async function buildElsewhere(directory: string, { binary = false, umask = "022" } = {}): Promise<Built> {
  const cwd = join(directory, "source");
  mkdirSync(cwd, { recursive: true });
  copyCheckout(cwd);
  const env = { PATH: `${join(cwd, "node_modules/.bin")}:${process.env.PATH}` };
  const steps = [
    [BUN, "run", "build:package"],
    [BUN, "src/build/pack.ts", directory],
    ...(binary ? [[BUN, "run", "build:binary"]] : []),
  ];
  for (const step of steps) {
    const { code, stdout, stderr } = await run(["sh", "-c", `umask ${umask}; exec "$@"`, "sh", ...step], { cwd, env });
    if (code !== 0) throw new Error(`${step.join(" ")} ended with ${code}: ${stdout}${stderr}`);
  }
  if (binary) cpSync(join(cwd, "dist/sd-notify"), join(directory, "sd-notify"));
  rmSync(cwd, { recursive: true });
  return { directory: cwd, tarball: join(directory, `sd-notify-${version}.tgz`), binary: join(directory, "sd-notify") };
}
