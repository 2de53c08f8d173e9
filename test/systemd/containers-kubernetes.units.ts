/** The manifests of examples/kubernetes by `podman kube play`, which asks their probes as a kubelet does. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT, titled } from "../support/command.ts";
import { attempt, example, hang, makeImages, noEngines, run, until, untilConnected } from "./engines.ts";
import { describeEach } from "./machine.ts";

const FILES = readdirSync(join(ROOT, "examples/kubernetes")).filter((file) => file.endsWith(".yaml"));

describeEach("containers, podman kube play", (machine) => {
  const why = noEngines(machine);
  if (!why) beforeAll(() => makeImages(machine), 120_000);

  for (const [i, file] of FILES.entries()) {
    const name = file.replace("-probes.yaml", "");
    const container = `greeter-${name}-pod-greeter`;
    const manifest = `${machine.directory}/${file}`;
    const [port, probes] = [3020 + i, 9020 + i];
    const curl = `curl -sSf http://localhost:${port}`;
    /** Its health, as podman has asked for it by the liveness probe, and how often it was started anew. */
    const state = (wanted: string) => {
      const format = "'{{.State.Status}} {{.State.Health.Status}} {{.RestartCount}}'";
      return until(machine, `podman inspect ${container} --format ${format} | grep -E '${wanted}'`);
    };
    const play = async (changes: Record<string, string>) => {
      const text = example(`kubernetes/${file}`, { '"3000"': `"${port}"`, ...changes });
      // All pods have the network of the machine: there is no firewall here that podman could set up one with.
      machine.write(manifest, text.replaceAll("9090", `${probes}`));
      await run(machine, `podman kube play --network=host ${manifest}`);
    };
    if (!why) afterAll(async () => void (await attempt(machine, `podman kube down --force ${manifest}`)));

    test.skipIf(Boolean(why))(
      titled(`${file}: a server whose watchdog expires is restarted, and one that drains is not cut off`, why),
      async () => {
        await play({
          "--watchdog=10": "--watchdog=2",
          "--timeout-stop=70": "--timeout-stop=8",
          "--drain-delay=5": "--drain-delay=2",
          "periodSeconds: 5, failureThreshold: 2": "periodSeconds: 1, failureThreshold: 3",
        });
        await state("^running healthy 0");
        expect(await run(machine, curl)).toBe("Hello");

        await hang(machine, container);
        await state("^running healthy 1");
        expect(await run(machine, curl)).toBe("Hello");

        // It is probed while it drains, seven times: a probe that says no would end it.
        const answer = run(machine, `${curl}/?ms=7000`);
        await untilConnected(machine, port);
        await run(machine, `podman kill --signal=TERM ${container}`);
        const ready = await attempt(machine, `podman exec ${container} sd-notify probe ready`);
        expect([ready.code, ready.stdout]).toEqual([1, expect.stringContaining("not ready")]);
        // During --drain-delay= it answers those who come late.
        expect(await run(machine, curl)).toBe("Hello");
        expect(await answer).toBe("Hello");
        // Once, and that was before.
        expect((await run(machine, `podman logs ${container} 2>&1`)).match(/ is killed: /g)).toHaveLength(1);
      },
      120_000,
    );
  }
});
