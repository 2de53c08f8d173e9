import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { BUN, ROOT, titled } from "../support/run.ts";
import { whyNot } from "./boot.ts";

/** The cgroups and processes of a harness. */
function leftOf(pid: number): string[] {
  const name = `sd-notify-test-machine-${pid}`;
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
    const child = Bun.spawn([BUN, "test/run.ts", "--systemd", "--target=machine", "watchdog"], {
      cwd: ROOT,
      stdio: ["ignore", "ignore", "ignore"],
    });
    // At whatever moment: here, while it boots.
    await until(() => leftOf(child.pid).length > 1);
    expect(leftOf(child.pid)).not.toEqual([]);
    child.kill(signal);
    await child.exited;
    await until(() => leftOf(child.pid).length === 0);
    expect(leftOf(child.pid)).toEqual([]);
  },
);
