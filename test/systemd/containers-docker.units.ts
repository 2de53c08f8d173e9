/** The same image and examples by docker: its health checks, compose, and a unit around it. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { titled } from "../support/command.ts";
import { attempt, example, makeImages, noEngines, run, tryService, until, untilConnected } from "./engines.ts";
import { describeEach } from "./machine.ts";

describeEach("containers, docker", (machine) => {
  const noDocker = existsSync(machine.outside("/usr/sbin/dockerd")) ? undefined : "no docker in the archive";
  const why = noEngines(machine) ?? noDocker;
  const directory = `${machine.directory}/context`;
  if (!why) {
    beforeAll(async () => {
      await makeImages(machine);
      await run(machine, PREPARE);
    }, 120_000);
    afterAll(async () => void (await attempt(machine, `cd ${directory} && docker compose down --timeout=0`)));
  }

  test.skipIf(Boolean(why))(
    titled("compose.yaml: healthy, restarted when the server hangs, and not cut off in a drain", why),
    async () => {
      const changes = {
        "interval: 5s": "interval: 1s",
        "127.0.0.1:3000:3000": "127.0.0.1:3030:3000",
        "restart: on-failure":
          "restart: on-failure\n    entrypoint: [sd-notify, bridge, --watchdog=2, --timeout-stop=6, --]" +
          "\n    command: [bun, /app/server.ts]",
      };
      machine.write(`${directory}/compose.yaml`, example("containers/compose.yaml", changes));
      const compose = `cd ${directory} && docker compose`;
      await run(machine, `${compose} up --no-build --wait --wait-timeout=40`);
      const container = await run(machine, `${compose} ps --quiet greeter`);
      const state = (wanted: string) =>
        until(
          machine,
          `docker inspect ${container} --format '{{.State.Health.Status}} {{.RestartCount}}' | grep -E '${wanted}'`,
          { timeoutMs: 40_000 },
        );
      await state("^healthy 0");
      expect(await run(machine, "curl -sSf http://127.0.0.1:3030/")).toBe("Hello");
      await run(machine, `docker exec ${container} sh -c 'kill -STOP $(pidof bun)'`);
      await state(" 1$");
      await state("^healthy 1");
      const answer = run(machine, "curl -sSf 'http://127.0.0.1:3030/?ms=4000'");
      await untilConnected(machine, 3030);
      await run(machine, `${compose} stop`);
      expect(await answer).toBe("Hello");
      expect(await run(machine, `docker inspect ${container} --format '{{.State.ExitCode}}'`)).toBe("0");
    },
    120_000,
  );

  test.skipIf(Boolean(why))(
    titled("greeter-docker.service answers, reloads, drains, and is started again when the server hangs", why),
    () => tryService(machine, "docker", 3031, "greeter:1"),
    120_000,
  );
});

// --- internal ---

/** Of what a firewall does for docker, nothing is needed here. The images are podman's: the same Dockerfile. */
const PREPARE = `
  mkdir -p /etc/docker
  echo '{ "iptables": false, "ip6tables": false, "exec-opts": ["native.cgroupdriver=cgroupfs"] }' >/etc/docker/daemon.json
  systemctl start docker
  for name in greeter greeter-bridged; do
    podman save localhost/$name:1 | docker load
    docker tag localhost/$name:1 $name:1
  done
`;
