/** Servers by manageServer(), in real units: a scenario by line, from start to stop. */

import { expect, test } from "bun:test";
import { titled } from "../support/command.ts";
import { describeEach, exec, type Machine, type Section, type Unit } from "./machine.ts";

/** What is tried: a program, in a unit, and what is done to it. */
export interface Scenario {
  title: string;
  /** The program. It has `manageServer`, `notify` and what else the package has, `web()` and `node()`. */
  program: string;
  section?: Section;
  /** The oldest systemd that knows what the unit asks for. */
  since?: number;
  act(server: Server): Promise<void>;
}

/**
 * Makes the servers of a program. /slow?ms=N tells that it was taken, and is answered after that time, or
 * when SIGUSR2 comes.
 */
const PRELUDE = `
import { createServer } from "node:http";
let requests = 0, slow = 0;
const released = new Promise((resolve) => process.on("SIGUSR2", resolve));
async function answer(url) {
  requests++;
  const { pathname, searchParams } = new URL(url, "http://localhost");
  if (pathname === "/slow") {
    notify({ status: "taken " + ++slow });
    await Promise.race([Bun.sleep(Number(searchParams.get("ms"))), released]);
  }
  return "answered " + process.pid;
}
const web = (options = {}) =>
  Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 0, fetch: async ({ url }) => new Response(await answer(url)), ...options });
const node = () => createServer(async (request, response) => response.end(await answer(request.url)));
`;

/** A unit, and what is done to it. */
export class Server {
  readonly machine: Machine;
  readonly unit: Unit;
  #taken = 0;

  constructor(machine: Machine, unit: Unit) {
    this.machine = machine;
    this.unit = unit;
  }

  async start(): Promise<void> {
    const { code, stderr } = await this.unit.start();
    if (code !== 0) throw new Error(`${stderr}${await this.unit.journal()}`);
    expect(await this.unit.show("ActiveState")).toEqual({ ActiveState: "active" });
  }

  /** Starts it, for it to fail. */
  async fail(expected: Record<string, string | RegExp>): Promise<void> {
    expect((await this.unit.start()).code).not.toBe(0);
    await this.unit.until({ ActiveState: "failed", ...expected });
  }

  /** Stops it, which is to be clean. Returns how long that took. */
  async stop(): Promise<number> {
    const begun = performance.now();
    expect((await this.unit.stop()).code).toBe(0);
    const timeMs = performance.now() - begun;
    await this.ended();
    return timeMs;
  }

  /** Waits for a clean end. By then the manager may have forgotten the unit, but not what it wrote. */
  async ended(how = "code=exited, status=0/SUCCESS"): Promise<void> {
    await this.unit.untilJournal("Deactivated successfully.");
    expect(await this.unit.journal()).toContain(`Main process exited, ${how}`);
  }

  async reload(): Promise<void> {
    const { code, stderr } = await this.machine.systemctl("reload", this.unit.name);
    if (code !== 0) throw new Error(`${stderr}${await this.unit.journal()}`);
    // ExecReload= does not wait for READY=1.
    await this.unit.until({ ActiveState: "active" });
  }

  async kill(signal: string): Promise<void> {
    expect((await this.machine.systemctl("kill", "--kill-whom=main", `--signal=${signal}`, this.unit.name)).code).toBe(
      0,
    );
  }

  /** The addresses in the status that it had first. The containers have the machine's network. */
  async urls(): Promise<string[]> {
    const places = [...(await this.unit.journal()).matchAll(/STATUS=Listening on ([^\n"]+)/g)];
    const [, first = ""] = places[0] ?? [];
    return [...first.matchAll(/127\.0\.0\.1:\d+/g)].map(([place]) => `http://${place}/`);
  }

  async get(path = "", index = 0): Promise<string> {
    return (await fetch((await this.urls())[index] + path)).text();
  }

  /** Sends a request that is answered late, and returns when the server has taken it. SIGUSR2 has it answered. */
  async slow(ms = 60_000, index = 0): Promise<{ answer: Promise<string> }> {
    const answer = this.get(`slow?ms=${ms}`, index);
    answer.catch(() => {});
    await this.unit.until({ StatusText: `taken ${++this.#taken}` });
    return { answer };
  }
}

/** What every request gets. */
export const answered = expect.stringMatching(/^answered \d+$/);
export const RELOADING = { Type: "notify-reload" };
export const BY_HUP = { ExecReload: exec("/bin/sh", "-c", 'kill -HUP "$MAINPID"') };

/** Defines the tests of a group of scenarios, for each manager. */
export function defineServers(groups: Record<string, readonly Scenario[]>): void {
  describeEach("servers", (machine) => {
    const bun = `${machine.checkout}/node_modules/bun/bin/bun.exe`;
    for (const [group, scenarios] of Object.entries(groups)) {
      for (const { title, program, section, since = 0, act } of scenarios) {
        const tooOld = machine.version < since && `systemd ${machine.version} has no Type=notify-reload`;
        const skipped = machine.isBaseline ? "it does not concern systemd-notify" : tooOld;
        test.skipIf(Boolean(skipped))(titled(`${group}: ${title}`, skipped), async () => {
          const path = `${machine.directory}/server-${process.pid}-${machine.version}-${++count}.mjs`;
          const names = "loadState, manageServer, notify, saveState, startWatchdog";
          machine.write(
            path,
            `import { ${names} } from "${machine.checkout}/dist/index.js";\n${PRELUDE}\n${program}\n`,
          );
          const unit = machine.service({
            Type: "notify",
            TimeoutStopSec: 20,
            ExecStart: exec(bun, path),
            ...section,
          });
          await act(new Server(machine, unit));
        });
      }
    }
  });
}

/** Opens a websocket, and waits until the server has it. */
export async function openSocket(server: Server): Promise<{ closed: Promise<number> }> {
  const [url = ""] = await server.urls();
  const socket = new WebSocket(url.replace("http", "ws"));
  const { promise, resolve } = Promise.withResolvers<number>();
  socket.onclose = ({ code }) => resolve(code);
  await server.unit.until({ StatusText: "open" });
  return { closed: promise };
}

// --- internal ---

/** Of the programs, in the names of their files. */
let count = 0;
