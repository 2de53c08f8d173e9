import { beforeAll, expect, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory, titled } from "../support/command.ts";
import { buildLongBinary } from "../support/long-way.ts";
import { describeEach, exec, type Section, UNPRIVILEGED } from "./machine.ts";

const USERS: Record<string, Section> = { root: {}, unprivileged: UNPRIVILEGED };

/** The parent is PID 1 or a shell. */
const FORMS: Record<string, (command: string) => Section> = {
  "as ExecStart=": (command) => ({
    Type: "oneshot",
    RemainAfterExit: "yes",
    ExecStart: exec(command, "--status=told", "X_A=1"),
  }),
  "as ExecStartPost=": (command) => ({
    Type: "exec",
    ExecStart: exec("/bin/sleep", "infinity"),
    ExecStartPost: exec(command, "--status=told"),
  }),
  "from a shell": (command) => ({
    Type: "oneshot",
    RemainAfterExit: "yes",
    ExecStart: exec("/bin/sh", "-c", `${command} --status=told; exit 0`),
  }),
  "from a shell that becomes ready": (command) => ({
    Type: "notify",
    TimeoutStartSec: 3,
    ExecStart: exec("/bin/sh", "-c", `${command} --ready --pid --status=told; exec sleep infinity`),
  }),
};

describeEach("The short way", (machine) => {
  const skipped = machine.isBaseline && "systemd-notify has none";
  const long = `${machine.directory}/long-${crypto.randomUUID()}`;
  beforeAll(async () => {
    if (skipped) return;
    using directory = temporaryDirectory();
    await buildLongBinary(join(directory.path, "long"));
    cpSync(join(directory.path, "long"), machine.outside(long));
  }, 60_000);

  for (const [form, section] of Object.entries(FORMS)) {
    for (const [user, who] of Object.entries(USERS)) {
      test.skipIf(Boolean(skipped))(
        titled(`and the long one come to the same, ${form}, ${user}`, skipped),
        async () => {
          for (const NotifyAccess of ["main", "exec", "all"]) {
            const [short, other] = await Promise.all(
              [machine.command, long].map(async (command) => {
                const unit = machine.service({ NotifyAccess, ...who, ...section(command) });
                const { code } = await unit.start();
                const shown = await unit.show("ActiveState", "Result", "StatusText", "ExecMainStatus");
                const told = (await machine.journal(unit.name))
                  .split("\n")
                  .filter((line) => /notification|reception/.test(line))
                  .map((line) => line.replaceAll(unit.name, "UNIT").replaceAll(/\d+/g, "N"));
                return { code, shown, told };
              }),
            );
            expect({ NotifyAccess, ...short }).toEqual({ NotifyAccess, ...other } as typeof short & {
              NotifyAccess: string;
            });
          }
        },
      );
    }
  }
});
