import { beforeAll, expect, test } from "bun:test";
import { readFileSync, symlinkSync } from "node:fs";
import { titled } from "../support/command.ts";
import { describeEach, exec, type Section, UNPRIVILEGED } from "./machine.ts";

const USERS: Record<string, Section> = { root: {}, unprivileged: UNPRIVILEGED };

/**
 * Who is heard, by systemd.exec(5) NotifyAccess=. The command sends as the shell that called it only with
 * CAP_SYS_ADMIN; without, as itself, which is neither the main process nor a control process.
 */
const HEARD: Record<string, Record<string, string[]>> = {
  "from a shell": { root: ["main", "exec", "all"], unprivileged: ["all"] },
  "as ExecStart=": { root: ["main", "exec", "all"], unprivileged: ["main", "exec", "all"] },
  "as ExecStartPost=": { root: ["exec", "all"], unprivileged: ["exec", "all"] },
  "from a shell by bunx": { root: ["main", "exec", "all"], unprivileged: ["all"] },
};

describeEach("NotifyAccess=", (machine) => {
  const project = `${machine.directory}/project`;
  const bun = `${machine.checkout}/node_modules/bun/bin`;
  beforeAll(async () => {
    await machine.run(["mkdir", "-p", `${project}/node_modules/.bin`]);
    for (const [path, target] of [
      ["node_modules/sd-notify", machine.checkout],
      ["node_modules/.bin/sd-notify", "../sd-notify/dist/cli/main.js"],
      // The package has its programs by names of another system's.
      ["bun", `${bun}/bun.exe`],
      ["bunx", `${bun}/bun.exe`],
    ]) {
      symlinkSync(target ?? "", machine.outside(`${project}/${path}`));
    }
  });

  const FORMS: Record<string, (status: string) => Section> = {
    "from a shell": (status) => ({ ExecStart: exec("/bin/sh", "-c", `${machine.command} --status=${status}; exit 0`) }),
    "as ExecStart=": (status) => ({ ExecStart: exec(machine.command, `--status=${status}`) }),
    "as ExecStartPost=": (status) => ({
      Type: "exec",
      ExecStart: exec("/bin/sleep", "infinity"),
      ExecStartPost: exec(machine.command, `--status=${status}`),
    }),
    "from a shell by bunx": (status) => ({
      WorkingDirectory: project,
      Environment: `PATH=${project}:/usr/bin:/bin HOME=/nonexistent`,
      ExecStart: exec("/bin/sh", "-c", `bunx --no-install sd-notify --status=${status}; exit 0`),
    }),
  };

  for (const [form, section] of Object.entries(FORMS)) {
    for (const [user, who] of Object.entries(USERS)) {
      for (const access of ["main", "exec", "all", "none"]) {
        const heard = HEARD[form]?.[user]?.includes(access) ?? false;
        const skipped = machine.isBaseline && form.includes("bunx") && "systemd-notify is no package";
        // systemd.exec(5): $NOTIFY_SOCKET is set for those whose messages could be taken.
        const told = access !== "none" && !(access === "main" && form === "as ExecStartPost=");
        const title = `${access}, ${user}, ${form}: ${heard ? "heard" : "not heard"}`;
        test.skipIf(Boolean(skipped))(titled(title, skipped), async () => {
          const errors = `${machine.directory}/errors-${crypto.randomUUID()}`;
          const unit = machine.service({
            Type: "oneshot",
            RemainAfterExit: "yes",
            // The journal does not know for sure whose the last line of a process is.
            StandardError: `truncate:${errors}`,
            NotifyAccess: access,
            ...who,
            ...section("told"),
          });
          const { code } = await unit.start();
          const { StatusText } = await unit.show("StatusText");
          if (StatusText !== (heard ? "told" : "") || (heard && code !== 0)) throw new Error(await unit.journal());
          // PID 1 did not just miss it; or the command says that there is nobody to tell.
          if (!heard && told) expect(await unit.journal()).toContain("reception");
          if (!told && !machine.isBaseline)
            expect(readFileSync(machine.outside(errors), "utf8")).toContain("$NOTIFY_SOCKET");
        });
      }
    }
  }

  test("1,000 senders that end at once, and not one that the manager can't find", async () => {
    const script = `seq 1000 | xargs -P 4 -I @ ${machine.command} STATUS=sender-@; ${machine.command} --ready; exec sleep infinity`;
    const unit = machine.service({
      Type: "notify",
      NotifyAccess: "all",
      ...UNPRIVILEGED,
      ExecStart: exec("/bin/sh", "-c", script),
    });
    // While it boots, the manager may have met senders of its own that were gone.
    const notFound = async () => (await machine.journal()).split("Cannot find unit").length;
    const before = await notFound();
    expect((await unit.start()).code).toBe(0);
    const log = await unit.journal();
    expect(new Set(log.match(/sender-\d+/g)).size).toBe(1000);
    expect(await notFound()).toBe(before);
  });
});
