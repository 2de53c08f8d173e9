/** The two releases that the suite has made, and what is in their files. */

import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import { run } from "../support/command.ts";

export { version };

/** Two directories, of the same release. */
export const RELEASES: readonly string[] = JSON.parse(process.env.SD_NOTIFY_TEST_RELEASES ?? "[]");
if (RELEASES.length !== 2) throw new Error("no release: call this by npm run test:release");

const [RELEASE = ""] = RELEASES;

export const fileNames = (): string[] => readdirSync(RELEASE).sort();
export const fileOf = (name: string): string => join(RELEASE, name);

/** Unpacks a target's archive, once, into a directory that every user can read. Returns the path of the executable. */
export async function unpack(target: string, directory: string): Promise<string> {
  const into = join(directory, target);
  const executable = join(into, `sd-notify-${version}/bin/sd-notify`);
  if (existsSync(executable)) return executable;
  mkdirSync(into, { recursive: true });
  await succeed(["tar", "-xJf", fileOf(`sd-notify-${version}-${target}.tar.xz`), "-C", into]);
  await succeed(["chmod", "755", directory, into]);
  return executable;
}

export async function succeed(command: string[], cwd?: string): Promise<string> {
  const { code, stdout, stderr } = await run(command, cwd === undefined ? {} : { cwd });
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${stdout}${stderr}`);
  return stdout;
}
