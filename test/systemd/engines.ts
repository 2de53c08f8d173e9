/** Podman and docker inside a booted tree: an image made from a folder, and the examples installed as a reader would. */

import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Result, ROOT } from "../support/command.ts";
import { type Machine, Unit } from "./machine.ts";

/** Why containers can't be tried there; undefined when they can. The engines are set up for these tests. */
export function noEngines({ isBaseline, target }: Machine): string | undefined {
  if (isBaseline) return "it does not concern systemd-notify";
  return target === "containers" ? undefined : "it needs --target=containers";
}

/** Has an image of the examples in podman's store, once for each machine. */
export async function makeImages(machine: Machine): Promise<void> {
  const making = made.get(machine.outside("/")) ?? run(machine, PREPARE);
  made.set(machine.outside("/"), making);
  await making;
}

/** Runs a script in the machine. It throws with all that was written if the script fails. */
export async function run(machine: Machine, script: string): Promise<string> {
  const { code, stdout, stderr } = await attempt(machine, script);
  if (code !== 0) throw new Error(`${script}\nended with ${code}: ${stdout}${stderr}`);
  return stdout.trim();
}

/** The same, for a script that may fail. */
export function attempt(machine: Machine, script: string): Promise<Result> {
  return machine.run(["sh", "-ec", script]);
}

/** Returns an example file, changed where a test has to: names and ports that another test has too. */
export function example(name: string, changes: Record<string, string> = {}): string {
  let text = readFileSync(join(ROOT, "examples", name), "utf8");
  for (const [from, to] of Object.entries(changes)) {
    if (!text.includes(from)) throw new Error(`${name} has no ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

/** Installs a quadlet, podman-systemd.unit(5), and returns its unit. */
export async function quadlet(machine: Machine, name: string, text: string): Promise<Unit> {
  machine.write(`/etc/containers/systemd/${name}.container`, text);
  await run(machine, "systemctl daemon-reload");
  return new Unit(machine, `${name}.service`);
}

/** Starts a unit, or throws with what was written about it. */
export async function started<T extends Unit>(unit: T): Promise<T> {
  const { code, stderr } = await unit.start();
  if (code !== 0) throw new Error(`${stderr}${await unit.output()}${await unit.journal()}`);
  return unit;
}

/** The messages that PID 1 took from a unit, each by its fields. */
export async function messagesOf(unit: Unit): Promise<string[]> {
  return [...(await unit.journal()).matchAll(/: Got notification message from PID \d+: (.*)$/gm)].map(
    ([, text = ""]) => text,
  );
}

/** Tries until a script succeeds, and returns what it wrote. */
export async function until(machine: Machine, script: string, { timeoutMs = 20_000 } = {}): Promise<string> {
  for (const deadline = performance.now() + timeoutMs; ; await Bun.sleep(100)) {
    const { code, stdout, stderr } = await attempt(machine, script);
    if (code === 0) return stdout.trim();
    if (performance.now() > deadline) throw new Error(`${script}\nended with ${code}: ${stdout}${stderr}`);
  }
}

/** Stops the server in a container, as a program that hangs: it does not end by SIGTERM or SIGABRT either. */
export async function hang(machine: Machine, container: string): Promise<void> {
  await run(machine, `podman exec ${container} sh -c 'kill -STOP $(pidof bun)'`);
}

/** Waits until somebody has a connection to a port. */
export async function untilConnected(machine: Machine, port: number): Promise<void> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  // Local address, remote address, 01 for ESTABLISHED: proc_net_tcp.txt of the kernel.
  await until(machine, `grep -hE ':${hex} [0-9A-F]+:[0-9A-F]{4} 01 ' /proc/net/tcp /proc/net/tcp6`);
}

/** Tries the example service that has an engine in it: it is heard, reloads, is started again, drains. */
export async function tryService(machine: Machine, engine: string, port: number, image: string): Promise<void> {
  const name = `greeter-${engine}`;
  const text = example(`containers/${name}.service`, {
    "/usr/local/bin/sd-notify": `${machine.checkout}/dist/sd-notify`,
    [image]: `--env=PORT=${port} ${image}`,
    "WatchdogSec=10": "WatchdogSec=3",
  });
  machine.install({ [`${name}.service`]: text });
  const unit = await started(new Unit(machine, `${name}.service`));
  expect((await unit.show("StatusText")).StatusText).toContain(`:${port}`);
  expect(await run(machine, `curl -sSf http://localhost:${port}/`)).toBe("Hello");
  expect((await machine.systemctl("reload", unit.name)).code).toBe(0);
  expect(await unit.journal()).toContain("RELOADING=1");
  // It is PID 1 in there, which no process of the container can stop.
  await run(machine, `${engine} kill --signal=STOP greeter`);
  await unit.until({ NRestarts: "1", ActiveState: "active" }, { timeoutMs: 40_000 });
  const answer = run(machine, `curl -sSf 'http://localhost:${port}/?ms=4000'`);
  await untilConnected(machine, port);
  expect((await unit.stop()).code).toBe(0);
  expect(await answer).toBe("Hello");
  await unit.until({ ActiveState: "inactive", Result: "success" });
  expect(await run(machine, `${engine} ps --all --quiet --filter=name=^greeter$`)).toBe("");
}

// --- internal ---

/** Several files use the same machine, one after the other in one process. */
const made = new Map<string, Promise<string>>();

/**
 * An image as small as can be under the name of the one that the examples' Dockerfile begins with, because there is no
 * registry here, and that Dockerfile on it. The kernel of a test machine may have the controllers "pids" and "memory" in
 * cgroup v1 only.
 */
const PREPARE = `
  mkdir -p /etc/containers/systemd
  printf '[containers]\\nnetns="host"\\npids_limit=0\\n' >/etc/containers/containers.conf
  root=/run/sd-notify-test/rootfs
  mkdir -p $root/bin $root/usr/bin $root/usr/local/bin $root/etc $root/run $root/proc $root/sys $root/dev $root/var
  mkdir -m 1777 $root/tmp
  cp /usr/bin/busybox $root/bin
  for name in $(busybox --list); do [ $name = busybox ] || ln -s busybox $root/bin/$name; done
  cp -L /opt/sd-notify/node_modules/bun/bin/bun.exe $root/usr/local/bin/bun
  cp /usr/bin/curl $root/usr/bin
  for program in $root/usr/local/bin/bun $root/usr/bin/curl; do
    ldd $program | grep -o '/[^ ]*' | while read -r library; do
      mkdir -p "$root$(dirname "$library")"
      cp -L -n "$library" "$root$library"
    done
  done
  printf 'root:x:0:0::/root:/bin/sh\\nbun:x:1000:1000::/:/bin/sh\\n' >$root/etc/passwd
  printf 'root:x:0:\\nbun:x:1000:\\n' >$root/etc/group
  tar -C $root -c . | podman import --change 'CMD=["/bin/sh"]' - docker.io/oven/bun:1.4-slim

  context=/run/sd-notify-test/context
  mkdir -p $context/node_modules/sd-notify
  cd /opt/sd-notify
  cp examples/containers/Dockerfile examples/server.ts examples/server.json dist/sd-notify $context
  mkdir $context/node_modules/sd-notify/dist
  cp package.json $context/node_modules/sd-notify
  cp dist/*.js $context/node_modules/sd-notify/dist
  podman build --pull=never --format=docker --target=server -t localhost/greeter:1 $context
  podman build --pull=never --format=docker -t localhost/greeter-bridged:1 $context
  cp dist/sd-notify /usr/local/bin
`;
