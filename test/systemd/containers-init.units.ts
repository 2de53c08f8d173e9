/** `sd-notify bridge` as the ENTRYPOINT of a container, which makes it PID 1: what tini does, it does. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { titled } from "../support/command.ts";
import { attempt, makeImages, noEngines, run, until } from "./engines.ts";
import { describeEach } from "./machine.ts";

describeEach("containers, bridge as PID 1", (machine) => {
  const why = noEngines(machine);
  if (!why) beforeAll(() => makeImages(machine), 120_000);
  if (!why) afterAll(async () => void (await attempt(machine, "podman rm --force --time=0 orphans signals")));
  const bridge = `--entrypoint='["sd-notify","bridge","--notify-access=all","--"]'`;
  const shell = (script: string) => `localhost/greeter-bridged:1 sh -c ${quote(script)}`;

  test.skipIf(Boolean(why))(
    titled("it reaps 1,000 orphans, and the command is none of them", why),
    async () => {
      // Each child of a shell that ends at once is PID 1's.
      const script = `
        i=0
        while [ $i -lt 1000 ]; do (sleep 0.3 &); i=$((i + 1)); done
        sd-notify --ready
        until test -e /tmp/end; do sleep 0.1; done
        exit 42`;
      await run(machine, `podman run -d --name=orphans ${bridge} ${shell(script)}`);
      await until(machine, "podman exec orphans sd-notify probe ready", { timeoutMs: 40_000 });
      // PID 1, the shell, its sleep, and those that look.
      const isReaped = `test "$(podman exec orphans ps -o stat | grep -c Z)" = 0 &&
        test "$(podman exec orphans ps -o pid | wc -l)" -lt 10`;
      await until(machine, isReaped);
      // The container may end before podman has seen touch end.
      await attempt(machine, "podman exec orphans touch /tmp/end");
      expect(await run(machine, "podman wait orphans")).toBe("42");
    },
    90_000,
  );

  test.skipIf(Boolean(why))(
    titled("it passes signals on, and reports how the command has ended", why),
    async () => {
      const script = `
        for name in USR1 USR2 WINCH; do trap "echo got $name" $name; done
        trap "echo got TERM; exit 7" TERM
        sd-notify --ready
        while :; do sleep 0.1; done`;
      await run(machine, `podman run -d --name=signals --log-driver=k8s-file ${bridge} ${shell(script)}`);
      await until(machine, "podman exec signals sd-notify probe ready");
      for (const name of ["USR1", "USR2", "WINCH"]) {
        await run(machine, `podman kill --signal=${name} signals`);
        await until(machine, `podman logs signals | grep 'got ${name}'`);
      }
      await run(machine, "podman stop --time=20 signals");
      expect(await run(machine, "podman wait signals")).toBe("7");
      expect(await run(machine, "podman logs signals")).toContain("got TERM");
    },
    90_000,
  );

  for (const [script, code] of [
    ["exit 0", 0],
    ["exit 3", 3],
    ["kill -TERM $$", 128 + 15],
    ["kill -KILL $$", 128 + 9],
  ] as const) {
    test.skipIf(Boolean(why))(
      titled(`a command that does "${script}" ends the container with ${code}`, why),
      async () => {
        const result = await attempt(machine, `podman run --rm ${bridge} ${shell(`sd-notify --ready; ${script}`)}`);
        expect(result.code).toBe(code);
      },
    );
  }

  test.skipIf(Boolean(why))(titled("a command that is not there ends the container with 203", why), async () => {
    const result = await attempt(machine, `podman run --rm ${bridge} localhost/greeter-bridged:1 /nonexistent`);
    expect([result.code, result.stderr]).toEqual([203, expect.stringContaining("/nonexistent")]);
  });
});

// --- internal ---

function quote(script: string): string {
  return `'${script.replaceAll("'", `'\\''`)}'`;
}
