/**
 * Makes sd-notify_VERSION-1_ARCHITECTURE.deb: the executable, its man pages and completions where Debian has
 * them. It has no file of systemd's, and does not take the name systemd-notify.
 */

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import manifest from "../../../package.json";
import { type ReleaseOptions, XZ_LEVEL } from "./archive.ts";
import type { Binary } from "./binaries.ts";
import { install, installCompressed, installProgram, manPages } from "./contents.ts";
import { normalize, ROOT, succeed } from "./steps.ts";

/** Makes the package of an executable, and returns its path. */
export async function makeDeb({ target, path, glibc }: Binary, options: ReleaseOptions): Promise<string> {
  const { epoch, work, out } = options;
  const version = debianVersion(options.version);
  const stage = join(work, `deb-${target.name}`);
  const doc = join(stage, "usr/share/doc/sd-notify");
  installProgram(path, join(stage, "usr/bin/sd-notify"));
  for (const page of manPages()) {
    installCompressed(readFileSync(join(ROOT, "man", page)), join(stage, `usr/share/man/man1/${page}.gz`));
  }
  for (const [from, to] of COMPLETIONS) install(`man/completions/${from}`, join(stage, "usr/share", to));
  installCompressed(readFileSync(join(ROOT, "CHANGELOG.md")), join(doc, "changelog.gz"));
  installCompressed(debianChangelog(version, epoch), join(doc, "changelog.Debian.gz"));
  writeFileSync(join(doc, "copyright"), copyright());
  install("src/build/release/lintian-overrides", join(stage, "usr/share/lintian/overrides/sd-notify"));

  const files = filesOf(stage);
  mkdirSync(join(stage, "DEBIAN"));
  const sum = (file: string) =>
    createHash("md5")
      .update(readFileSync(join(stage, file)))
      .digest("hex");
  writeFileSync(join(stage, "DEBIAN/md5sums"), files.map((file) => `${sum(file)}  ${file}\n`).join(""));
  const size = files.reduce((total, file) => total + Math.ceil(statSync(join(stage, file)).size / 1024), 0);
  writeFileSync(join(stage, "DEBIAN/control"), control({ version, size, glibc, architecture: target.debian }));
  normalize(stage, epoch);

  const deb = join(out, `sd-notify_${version}_${target.debian}.deb`);
  const compression = ["-Zxz", `-z${XZ_LEVEL}`, "--threads-max=1"];
  await succeed(["dpkg-deb", "--root-owner-group", ...compression, "--build", stage, deb], {
    // If it is interrupted, it leaves no half-compressed file in /tmp.
    env: { SOURCE_DATE_EPOCH: String(epoch), TMPDIR: work },
  });
  rmSync(stage, { recursive: true });
  return deb;
}

/** An npm version as a Debian version. A pre-release sorts before its release. */
export function debianVersion(version: string): string {
  return `${version.replace("-", "~")}-1`;
}

// --- internal ---

/** A package has to have an address, and the project has none: RFC 2606. */
const MAINTAINER = "The sd-notify authors <sd-notify@sd-notify.invalid>";

const COMPLETIONS = [
  ["sd-notify.bash", "bash-completion/completions/sd-notify"],
  ["_sd-notify", "zsh/vendor-completions/_sd-notify"],
  ["sd-notify.fish", "fish/vendor_completions.d/sd-notify.fish"],
] as const;

interface Control {
  version: string;
  /** In KiB. */
  size: number;
  glibc: string | undefined;
  architecture: string | undefined;
}

/** deb-control(5). */
function control({ version, size, glibc, architecture }: Control): string {
  return `Package: sd-notify
Version: ${version}
Architecture: ${architecture}
Maintainer: ${MAINTAINER}
Installed-Size: ${size}
Depends: libc6 (>= ${glibc})
Suggests: systemd
Section: admin
Priority: optional
Description: systemd's service notification protocol for shells and units
 sd-notify accepts every option of systemd-notify and behaves the same: it
 tells the service manager that a service is ready, reloads or stops.
 .
 Its subcommands run a command as systemd would and show what it sends, say
 why a unit stays in "activating", and notify for programs that can't.
 .
 It has its own name, so it can be installed beside systemd-notify.
`;
}

/** deb-changelog(5). */
function debianChangelog(version: string, epoch: number): string {
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  return `sd-notify (${version}) unstable; urgency=medium

  * New release: changelog.gz has what it changes.

 -- ${MAINTAINER}  ${date}
`;
}

/** https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ */
function copyright(): string {
  const [, , notice = "", , ...text] = readFileSync(join(ROOT, "LICENSE"), "utf8").trimEnd().split("\n");
  const field = text.map((line) => (line === "" ? " ." : ` ${line}`)).join("\n");
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ${manifest.name}
Comment:
 /usr/bin/sd-notify is made with \`bun build --compile\`: it contains the Bun
 runtime (https://bun.com, MIT) with the libraries that are listed in Bun's own
 LICENSE.md (JavaScriptCore among them, LGPL-2), and citty (MIT).

Files: *
Copyright: ${notice.replace(/^Copyright \(c\) /, "")}
License: Expat

License: Expat
${field}
`;
}

/** The files below a directory, in an order that is always the same. */
function filesOf(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return names.filter((name) => statSync(join(directory, name)).isFile()).sort();
}
