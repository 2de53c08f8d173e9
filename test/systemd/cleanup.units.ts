import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { BUN, ROOT, titled } from "../support/command.ts";
import { whyNot } from "./boot.ts";

/** The cgroups and processes of a container. */
function leftOf(name: string): string[] {
  const groups = ["", "/unified", "/pids", "/memory"].flatMap((hierarchy) => {
    try {
      return readdirSync(`/sys/fs/cgroup${hierarchy}`).filter((entry) => entry === name);
    } catch {
      return [];
    }
  });
  const { stdout } = Bun.spawnSync(["pgrep", "--full", "--list-full", `${name}( |$)`]);
  return [...groups, ...stdout.toString().split("\n").filter(Boolean)];
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition() && performance.now() < deadline) await Bun.sleep(20);
}

const noContainer = whyNot("machine");
test.skipIf(Boolean(noContainer)).each(["SIGKILL", "SIGTERM", "SIGINT"] as const)(
  titled("a harness that ends by %s leaves nothing", noContainer),
  async (signal) => {
    const child = Bun.spawn([BUN, "test/main.ts", "--systemd", "--target=machine", "watchdog"], {
      cwd: ROOT,
      stdio: ["ignore", "ignore", "ignore"],
    });
    const name = `sd-notify-test-machine-${child.pid}`;
    // At whatever moment: here, while it boots.
    await until(() => leftOf(name).length > 1);
    expect(leftOf(name)).not.toEqual([]);
    child.kill(signal);
    await child.exited;
    await until(() => leftOf(name).length === 0);
    expect(leftOf(name)).toEqual([]);
  },
);

test.skipIf(Boolean(noContainer))(
  titled("a container that can't be booted says why, and leaves nothing", noContainer),
  async () => {
    const name = `sd-notify-test-machine-${crypto.randomUUID()}`;
    // Its standard input stays open, as that of a container that is booted.
    const child = Bun.spawn(["bash", join(import.meta.dir, "container.sh"), "/nonexistent", ROOT, name], {
      stdio: ["pipe", "ignore", "pipe"],
    });
    const [code, stderr] = await Promise.all([child.exited, child.stderr.text()]);
    expect(code).not.toBe(0);
    expect(stderr).toContain("/nonexistent");
    expect(leftOf(name)).toEqual([]);
  },
);
