/**
 * Makes sd-notify-VERSION.cdx.json, the bill of materials of all that is released: a CycloneDX document, by
 * `npm sbom`. npm reads it out of a package-lock.json, which is made here of what bun.lock pins: citty, that is
 * bundled, and the Bun of each executable.
 */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import manifest from "../../../package.json";
import type { ReleaseOptions } from "./archive.ts";
import { pinned } from "./bun-executables.ts";
import { ROOT, succeed } from "./steps.ts";
import { TARGETS } from "./targets.ts";

/** Writes it, and returns its path. */
export async function makeSbom({ version, epoch, work, out }: ReleaseOptions): Promise<string> {
  // npm takes the name of the application from its directory.
  const directory = join(work, "sbom", manifest.name);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "package.json"), json(root()));
  writeFileSync(join(directory, "package-lock.json"), json(packageLock()));
  const options = ["--sbom-format=cyclonedx", "--sbom-type=application", "--package-lock-only", "--loglevel=error"];
  const bill = JSON.parse(await succeed(["npm", "sbom", ...options], { cwd: directory }));
  const path = join(out, `sd-notify-${version}.cdx.json`);
  writeFileSync(path, json(repeatable(bill, epoch)));
  return path;
}

// --- internal ---

interface Bill {
  serialNumber: string;
  metadata: { timestamp: string; component: { purl?: string } };
}

const SHIPPED = [...Object.keys(manifest.dependencies), ...TARGETS.map(({ bunPackage }) => bunPackage)];

function root(): Record<string, unknown> {
  const { name, version, description, license } = manifest;
  const dependencies = Object.fromEntries(SHIPPED.map((name) => [name, pinned(name).version]));
  return { name, version, description, license, dependencies };
}

function packageLock(): Record<string, unknown> {
  const packages = SHIPPED.map((name) => [`node_modules/${name}`, { ...pinned(name), license: licenseOf(name) }]);
  const { name, version } = manifest;
  return { name, version, lockfileVersion: 3, packages: { "": root(), ...Object.fromEntries(packages) } };
}

/** Bun's packages have one license; only this machine's is installed. */
function licenseOf(name: string): string {
  const installed = name.startsWith("@oven/bun-") ? "bun" : name;
  return JSON.parse(readFileSync(join(ROOT, "node_modules", installed, "package.json"), "utf8")).license;
}

/**
 * npm puts the time and a random number into each document, but two of the same release must be the same. It also
 * takes the application for the package of this name on the registry, which is unrelated.
 */
function repeatable(bill: Bill, epoch: number): Bill {
  const timestamp = new Date(epoch * 1000).toISOString();
  const { purl: _, ...component } = bill.metadata.component;
  const same = { ...bill, serialNumber: "", metadata: { ...bill.metadata, timestamp, component } };
  const hash = createHash("sha256").update(JSON.stringify(same)).digest("hex");
  // RFC 9562: version 8 is for hashes.
  const [a, b, c, d, e] = [
    hash.slice(0, 8),
    hash.slice(8, 12),
    hash.slice(12, 15),
    hash.slice(15, 18),
    hash.slice(18, 30),
  ];
  const uuid = `${a}-${b}-8${c}-8${d}-${e}`;
  return { ...same, serialNumber: `urn:uuid:${uuid}` };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
