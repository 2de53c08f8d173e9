/** Gets Bun for each target from the package registry, and makes sure that it is what bun.lock says. */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import lock from "../../../bun.lock";
import { succeed } from "./steps.ts";
import type { Target } from "./targets.ts";

/** A package of npm as bun.lock pins it. */
export interface Pinned {
  version: string;
  /** "sha512-" and the hash of its tarball in base64. */
  integrity: string;
}

/**
 * Returns the version and the hash of a package.
 *
 * @throws Error when bun.lock does not have it.
 */
export function pinned(name: string): Pinned {
  const entry: readonly unknown[] = lock.packages[name] ?? [];
  const [resolved, integrity] = [entry[0], entry.at(-1)];
  const isPinned = typeof resolved === "string" && typeof integrity === "string" && integrity.startsWith("sha512-");
  if (!isPinned || !resolved.startsWith(`${name}@`)) throw new Error(`bun.lock does not pin ${name}`);
  return { version: resolved.slice(name.length + 1), integrity };
}

/**
 * Downloads a target's Bun with npm, which keeps it in its cache, and returns the path of the executable.
 *
 * @throws Error when it can't be downloaded, or is not the one that bun.lock pins.
 */
export async function fetchBun({ bunPackage, name }: Target, directory: string): Promise<string> {
  const { version, integrity } = pinned(bunPackage);
  const into = join(directory, name);
  mkdirSync(into, { recursive: true });
  const packed = await succeed(["npm", "pack", "--silent", "--pack-destination", into, `${bunPackage}@${version}`]);
  const tarball = join(into, packed.trim());
  const hash = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
  if (hash !== integrity) throw new Error(`${bunPackage}@${version} is not what bun.lock pins: its hash is ${hash}`);
  await succeed([
    "tar",
    "--extract",
    "--gzip",
    "--force-local",
    "--file",
    tarball,
    "--directory",
    into,
    "package/bin/bun",
  ]);
  return join(into, "package/bin/bun");
}
