/**
 * Restarts of units under load. $SD_NOTIFY_TEST_LOAD names the programs that restart five times under 12,000
 * requests, on each kind of socket; "serve" is that of serve():
 *
 *     SD_NOTIFY_TEST_LOAD=serve,hono,express bun test/main.ts --systemd serve.units register.units --target=sid
 */

import { expect } from "bun:test";
import { tcpListener } from "../support/listeners.ts";
import { restartUnderLoad, type Target } from "../support/load.ts";
import type { Unit } from "./machine.ts";

/** The programs that are tried in full; undefined if all are tried, and shortly. */
export const triedInFull = process.env.SD_NOTIFY_TEST_LOAD?.split(",");

/** Tests of loads wait for each other. */
export const MANY_LOADS_MS = triedInFull ? 3_600_000 : 200_000;

/** Restarts a unit, and expects that every request is answered. */
export async function survivesRestarts(unit: Unit, where: Target): Promise<void> {
  const restart = async () => {
    const { code, stderr } = await unit.machine.systemctl("restart", unit.name);
    if (code !== 0) throw new Error(`${stderr}${await unit.output()}`);
  };
  const load = triedInFull ? { restarts: 5, everyMs: 2000 } : { restarts: 1, everyMs: 600 };
  const next = last.then(() => restartUnderLoad(where, restart, load));
  // The load is what it says only while there is no other.
  last = next.catch(() => {});
  const { sent, lost } = await next;
  console.log(
    `systemd ${unit.machine.version}, ${unit.name}, ${where.unix ?? where.url}: ${sent - lost.length} of ${sent} answered`,
  );
  expect(lost).toEqual([]);
}

/** A port that no connection of the load can have, as it might have one of the kernel's choice. */
export function nextPort(): number {
  for (;;) {
    try {
      tcpListener("127.0.0.1", ++port)[Symbol.dispose]();
      return port;
    } catch {
      // Somebody listens there.
    }
  }
}

// --- internal ---

let port = 21_000 + (process.pid % 5000);

let last: Promise<unknown> = Promise.resolve();
