/** Real service managers to try units on: booted in containers, or the one that runs this machine. */

import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { openReceiver } from "../../src/receiver/receiver.ts";
import { isRoot, missing, ROOT, run } from "../support/command.ts";
import { packageTree } from "./package-trees.ts";

/** What the tests are told of a manager: what they need to reach it from another process. */
export interface Booted {
  /** "systemd 262" */
  title: string;
  target: Target;
  version: number;
  /** Its PID 1, as seen from here. */
  pid: number;
  /** The checkout, as it sees it. */
  checkout: string;
}

/** In the environment: what looks at many units does so in the newest manager only. */
export const QUICK = "SD_NOTIFY_TEST_QUICK";

export type Target = "machine" | "sid" | "daemons" | "containers" | "packages" | "host";

export const TARGETS: readonly Target[] = ["machine", "sid", "daemons", "containers", "host"];

/** What keeps this machine from being one; undefined when nothing does. */
export function whyNot(target: Target): string | undefined {
  if (!isRoot) return "not root";
  if (target === "host")
    return existsSync("/run/systemd/system") && pidOneIsSystemd() ? undefined : "PID 1 is not systemd";
  const programs = ["systemd-nspawn", "unshare", "setpriv", "nsenter"];
  // What makes the tree, where there is none yet.
  const fetch = target !== "machine" && !existsSync(join(sidTree(), "usr")) ? ["debootstrap", "apt-get"] : [];
  const lacks = missing(...programs, ...fetch);
  if (lacks) return lacks;
  return target === "machine" && !existsSync("/usr/lib/systemd/systemd") ? "no systemd in /usr" : undefined;
}

/**
 * Boots a target. It is gone, with all that it made, when its handle is disposed of, or this process ends,
 * however it ends.
 */
export async function boot(target: Target): Promise<AsyncDisposable & { booted: Booted }> {
  if (target === "host") return useHost();
  const root = await rootOf(target);
  using receiver = openReceiver();
  const name = `sd-notify-test-${target}-${process.pid}`;
  const child = Bun.spawn(["bash", `${import.meta.dir}/container.sh`, root, ROOT, name, ...OPTIONS[target]], {
    env: { PATH: process.env.PATH ?? "", ...receiver.env },
    // A signal of the terminal's is for the harness, which then ends the container in order.
    detached: true,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const dispose = async () => {
    child.stdin.end();
    await child.exited;
  };
  try {
    let pid: number | undefined;
    const output = Promise.all([child.stdout.text(), child.stderr.text()]);
    const died = child.exited.then(async (code) => {
      throw new Error(`systemd-nspawn ended with ${code}: ${(await output).join("\n")}`);
    });
    died.catch(() => {});
    // systemd-nspawn(1): its leader first, and READY=1 when the container's own manager has sent that.
    const ready = receiver.waitFor(
      (message) => {
        pid ??= Number(/^X_NSPAWN_LEADER_PID=(\d+)$/m.exec(message.text)?.[1]) || undefined;
        return message.state.ready === true;
      },
      { timeoutMs: 60_000 },
    );
    await Promise.race([ready, died]);
    if (pid === undefined) throw new Error("systemd-nspawn did not tell the pid of its leader");
    return { booted: await describe(target, pid, "/opt/sd-notify"), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** The command line that runs a program beside a manager. */
export function beside({ pid }: Pick<Booted, "pid">): string[] {
  return pid === 1 ? [] : ["nsenter", `--target=${pid}`, "-m", "-u", "-i", "-n", "-p", "-C", "--"];
}

// --- internal ---

/** systemd-nspawn(1). Daemons need what their packages have put into /etc and /var, and ports that nobody else has. */
const OPTIONS = {
  machine: ["--volatile=yes"],
  sid: ["--volatile=yes"],
  daemons: ["--volatile=overlay", "--private-network"],
  // An overlay on an overlay does not work, and one on a tmpfs does.
  containers: [
    "--volatile=overlay",
    "--private-network",
    "--tmpfs=/var/lib/containers:mode=755",
    "--tmpfs=/var/lib/docker:mode=755",
    "--tmpfs=/var/lib/containerd:mode=755",
    // What crun and runc do for each container: which devices it may use, and a keyring.
    "--system-call-filter=bpf @keyring",
  ],
  // Where dpkg(1) can write.
  packages: ["--volatile=overlay"],
} as const;

async function rootOf(target: Exclude<Target, "host">): Promise<string> {
  if (target === "machine") return "/";
  return target === "daemons" || target === "containers" ? packageTree(target, await sid()) : sid();
}

async function describe(target: Target, pid: number, checkout: string): Promise<Booted> {
  const { stdout } = await run([...beside({ pid }), "systemctl", "--version"]);
  const version = Number(/^systemd (\d+)/.exec(stdout)?.[1]);
  const title = pid === 1 ? `systemd ${version} of this machine` : `systemd ${version}`;
  return { title, target, version, pid, checkout };
}

/**
 * What undoes all that the tests do to the manager of this machine, when its standard input ends: however
 * this process does.
 */
const RESTORE = `
  trap '' HUP INT TERM PIPE
  cat >/dev/null
  systemctl stop sdnotifytest.slice
  rm -rf /run/systemd/system/sdnotifytest-* /run/sd-notify-test
  systemctl daemon-reload
  systemctl log-level "$1"
`;

/** The manager of this machine. The units are in a slice of their own, and in /run. */
async function useHost(): Promise<AsyncDisposable & { booted: Booted }> {
  const level = (await run(["systemctl", "log-level"])).stdout.trim();
  const restore = Bun.spawn(["sh", "-c", RESTORE, "sh", level], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  await run(["systemctl", "log-level", "debug"]);
  return {
    booted: await describe("host", 1, ROOT.replace(/\/$/, "")),
    async [Symbol.asyncDispose]() {
      restore.stdin.end();
      await restore.exited;
    },
  };
}

function pidOneIsSystemd(): boolean {
  return readFileSync("/proc/1/comm", "utf8") === "systemd\n";
}

function sidTree(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "sd-notify", "sid");
}

/** A tree of Debian's newest packages, made once. */
async function sid(): Promise<string> {
  const tree = sidTree();
  if (existsSync(join(tree, "usr"))) return tree;
  // What a run that was interrupted has left.
  for (const entry of existsSync(join(tree, "..")) ? readdirSync(join(tree, "..")) : []) {
    const [, pid] = /^sid\.(\d+)$/.exec(entry) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(`${tree}.${pid}`, { recursive: true });
  }
  // The archive that this machine's packages come from.
  const { stdout } = await run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
  const [archive = ""] = stdout.split("\n");
  const partial = `${tree}.${process.pid}`;
  const include = "--include=systemd,systemd-sysv,dbus,libnss-systemd";
  const { code, stdout: log } = await run(["debootstrap", "--variant=minbase", include, "sid", partial, archive]);
  if (code !== 0) {
    rmSync(partial, { recursive: true, force: true });
    throw new Error(`debootstrap ended with ${code}: ${log.trimEnd().split("\n").at(-1)}`);
  }
  // Complete or not there: what was interrupted must not be taken for a tree.
  await run(["mv", "-T", partial, tree]);
  return tree;
}
