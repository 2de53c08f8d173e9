/** What systemd-analyze finds wrong with lines for a unit. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { run, temporaryDirectory } from "./command.ts";

/** Settings that systemd knows since a version: an older systemd-analyze complains of them. */
const SINCE: Record<string, number> = { OpenFile: 253, FileDescriptorStorePreserve: 254, PrivatePIDs: 257 };

/**
 * Returns the complaints. The lines may be a part of a unit: what is missing is added, and programs that are not
 * here are replaced. Of a file for podman's generator, only the form is looked at.
 */
export async function checkUnit(lines: string): Promise<string[]> {
  if (/^\[(Container|Pod|Kube|Volume|Network|Build|Image)\]$/m.test(lines)) {
    return lines.split("\n").filter((line) => !/^($|[#;]|\[\w+\]$|\w+=)/.test(line));
  }
  using directory = temporaryDirectory();
  const text = /^\[/m.test(lines) ? lines : `[Service]\n${lines}`;
  const isSocket = text.includes("[Socket]");
  const service = isSocket ? "[Service]\nExecStart=/bin/true\n" : complete(text);
  // A template, which Accept=yes asks for, is verified by an instance.
  const name = isSocket && text.includes("Accept=yes") ? "page@" : "page";
  await Bun.write(join(directory.path, `${name}.service`), service);
  if (isSocket) await Bun.write(join(directory.path, "page.socket"), text);
  const unit = join(directory.path, isSocket ? "page.socket" : "page.service");
  const { stdout, stderr } = await run(["systemd-analyze", "verify", "--man=no", unit]);
  const version = Number(/\d+/.exec((await run(["systemd-analyze", "--version"])).stdout)?.[0]);
  return `${stdout}${stderr}`
    .split("\n")
    .filter((line) => line.includes(directory.path) || /^page[@.]/.test(line))
    .map((line) => line.replaceAll(directory.path, ""))
    .filter((line) => (SINCE[/Unknown key(?: name)? '(\w+)'/.exec(line)?.[1] ?? ""] ?? 0) <= version);
}

// --- internal ---

function complete(text: string): string {
  const known = text
    .replaceAll(/^(Exec\w+=[@:+!-]*)(\/\S+|%h\S+)/gm, (all, key: string, program: string) =>
      existsSync(program) ? all : `${key}/bin/sh`,
    )
    // Older versions know it as notify.
    .replace("Type=notify-reload", "Type=notify");
  if (/^ExecStart=/m.test(known)) return known;
  return known.replace(/^\[Service\]$/m, "[Service]\nExecStart=/bin/true");
}
