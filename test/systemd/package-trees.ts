/** Trees of Debian's newest packages with more in them, made once: that of "sid", and what apt-get installs there. */

import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../support/command.ts";

/** What is tried: a package that is not there any more costs its own daemon only. */
const PACKAGES = {
  daemons: [
    "apache2",
    "bind9",
    "caddy",
    "dovecot-core",
    "gunicorn",
    "haproxy",
    "mariadb-server",
    "mosquitto",
    "openssh-server",
    "php-fpm",
    "postgresql",
    "puma",
    "redis-server",
    "systemd-resolved",
    "unbound",
  ],
  // What podman needs to run an image that is made here: neither a network nor a registry.
  containers: [
    "podman",
    "crun",
    "conmon",
    "catatonit",
    "busybox-static",
    "curl",
    "docker.io",
    "docker-cli",
    "docker-compose",
  ],
} as const;

export type PackageTree = keyof typeof PACKAGES;

/** Returns the tree: a copy of a tree of sid, with these packages. It takes some minutes the first time. */
export async function packageTree(name: PackageTree, sid: string): Promise<string> {
  const tree = join(sid, "..", name);
  if (existsSync(tree)) return tree;
  // What a run that was interrupted has left.
  for (const entry of readdirSync(join(tree, ".."))) {
    const pid = entry.startsWith(`${name}.`) ? entry.slice(name.length + 1) : "";
    if (/^\d+$/.test(pid) && !existsSync(`/proc/${pid}`)) rmSync(`${tree}.${pid}`, { recursive: true });
  }
  const packages = PACKAGES[name];
  const partial = `${tree}.${process.pid}`;
  console.log(`Installing ${packages.length} packages into ${tree}: this takes some minutes.`);
  try {
    await must("cp", "-a", sid, partial);
    await must("cp", "-L", "/etc/resolv.conf", `${partial}/etc/resolv.conf`);
    // invoke-rc.d(8): nothing is to be started there.
    writeFileSync(`${partial}/usr/sbin/policy-rc.d`, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
    await must("unshare", "--mount", "--propagation=private", "sh", "-ec", INSTALL, "sh", partial, ...packages);
    renameSync(partial, tree);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  }
  return tree;
}

// --- internal ---
/** The archive may be a copy of some weeks ago. Nothing is enabled: each daemon is a test's to start. */
const INSTALL = `
  tree=$1; shift
  mount --rbind /dev "$tree/dev"
  mount -t proc proc "$tree/proc"
  apt() {
    chroot "$tree" env DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
      apt-get -q -o Acquire::Check-Valid-Until=false -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io "$@" </dev/null
  }
  apt update
  apt install -y --no-install-recommends "$@" || for package; do apt install -y --no-install-recommends "$package" || true; done
  apt clean
  cd "$tree/etc/systemd/system"
  find . -type l -path '*.wants/*' -delete
`;

async function must(...command: string[]): Promise<void> {
  const { code, stdout, stderr } = await run(command);
  if (code === 0) return;
  const last = `${stdout}\n${stderr}`.trimEnd().split("\n").slice(-3).join(": ");
  throw new Error(`${command[0]} ended with ${code}: ${last}`);
}
