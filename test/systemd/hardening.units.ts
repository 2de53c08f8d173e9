import { expect, test } from "bun:test";
import { chmodSync, mkdirSync } from "node:fs";
import { titled } from "../support/command.ts";
import { describeEach, exec, type Machine, type Section, UNPRIVILEGED } from "./machine.ts";

interface Setting {
  section: Section;
  /** The first systemd that knows it. */
  since?: number;
  /** DynamicUser= has no root. */
  users?: string[];
  /**
   * A limit that the kernel may keep in cgroup v1, where a container's manager can't set it: controller,
   * file, value.
   */
  v1?: [controller: string, file: string, value: string];
}

const PRIVATE: Section = {
  PrivateTmp: "yes",
  PrivateDevices: "yes",
  PrivateNetwork: "yes",
  PrivateUsers: "yes",
  // Versions that don't know it ignore it, with a warning.
  PrivatePIDs: "yes",
};
const PROTECT: Section = {
  ProtectSystem: "strict",
  ProtectHome: "yes",
  ProtectClock: "yes",
  ProtectControlGroups: "yes",
  ProtectHostname: "yes",
  ProtectKernelLogs: "yes",
  ProtectKernelModules: "yes",
  ProtectKernelTunables: "yes",
};
const RESTRICT: Section = {
  RestrictNamespaces: "yes",
  RestrictRealtime: "yes",
  RestrictSUIDSGID: "yes",
};
const PROC: Section = { ProtectProc: "invisible", ProcSubset: "pid" };
const CALLS: Section = {
  SystemCallFilter: ["@system-service", "~@privileged @resources"],
  SystemCallErrorNumber: "EPERM",
  SystemCallArchitectures: "native",
};

const EVERYTHING: Section = {
  ...PRIVATE,
  ...PROTECT,
  ...RESTRICT,
  ...PROC,
  ...CALLS,
  RestrictAddressFamilies: "AF_UNIX",
  LockPersonality: "yes",
  NoNewPrivileges: "yes",
  PrivateIPC: "yes",
  CapabilityBoundingSet: "",
  ReadOnlyPaths: "/",
  // unix(7), ETOOMANYREFS: without CAP_SYS_RESOURCE, a user has no more fds under way than this, in all of the machine.
  LimitNOFILE: 64,
  LimitAS: "1G",
  LimitSTACK: "256K",
  TasksMax: 4,
  MemoryMax: "48M",
  UMask: "0777",
};

const SETTINGS: Record<string, Setting> = {
  nothing: { section: {} },
  "MemoryDenyWriteExecute=yes": { section: { MemoryDenyWriteExecute: "yes" } },
  "DynamicUser=yes": { section: { DynamicUser: "yes" }, users: ["unprivileged"] },
  "ProtectSystem=strict and kin": { section: PROTECT },
  "SystemCallFilter=@system-service": { section: { SystemCallFilter: "@system-service" } },
  "SystemCallFilter=@system-service ~@privileged @resources": { section: CALLS },
  "SystemCallFilter= that kills": { section: { ...CALLS, SystemCallErrorNumber: undefined } },
  "RestrictAddressFamilies=AF_UNIX": { section: { RestrictAddressFamilies: "AF_UNIX" } },
  "RestrictNamespaces=, RestrictRealtime=, RestrictSUIDSGID=": { section: RESTRICT },
  "RestrictFileSystems=": { section: { RestrictFileSystems: "~@network" } },
  "LockPersonality=yes": { section: { LockPersonality: "yes" } },
  "NoNewPrivileges=yes": { section: { NoNewPrivileges: "yes" } },
  "ProtectProc=invisible, ProcSubset=pid": { section: PROC },
  "PrivateUsers=yes": { section: { PrivateUsers: "yes" } },
  "PrivateDevices=yes": { section: { PrivateDevices: "yes" } },
  "PrivateNetwork=yes": { section: { PrivateNetwork: "yes" } },
  "PrivateIPC=yes": { section: { PrivateIPC: "yes" } },
  "PrivateMounts=yes": { section: { PrivateMounts: "yes" } },
  "PrivatePIDs=yes": { section: { PrivatePIDs: "yes" }, since: 257 },
  "CapabilityBoundingSet=": { section: { CapabilityBoundingSet: "", AmbientCapabilities: "" } },
  "ReadOnlyPaths=/": { section: { ReadOnlyPaths: "/" } },
  "InaccessiblePaths=/tmp /dev/shm /home": { section: { InaccessiblePaths: "/tmp /dev/shm /home" } },
  "NoExecPaths=/ ExecPaths=/usr /opt": { section: { NoExecPaths: "/", ExecPaths: "/usr /opt -/lib -/lib64 -/bin" } },
  "TasksMax=4": { section: { TasksMax: 4 }, v1: ["pids", "pids.max", "4"] },
  "MemoryMax=48M": { section: { MemoryMax: "48M" }, v1: ["memory", "memory.limit_in_bytes", `${48 * 2 ** 20}`] },
  "LimitNOFILE=16": { section: { LimitNOFILE: 16 } },
  "LimitNPROC=64": { section: { LimitNPROC: 64 } },
  "LimitSTACK=256K": { section: { LimitSTACK: "256K" } },
  "LimitCORE=0, LimitFSIZE=0": { section: { LimitCORE: 0, LimitFSIZE: 0 } },
  "LimitAS=512M": { section: { LimitAS: "512M" } },
  "LimitAS=1G": { section: { LimitAS: "1G" } },
  "everything at once": { section: { ...EVERYTHING, MemoryDenyWriteExecute: "yes" } },
  "everything but MemoryDenyWriteExecute=": { section: EVERYTHING },
};

describeEach("hardening", (machine) => {
  for (const [title, { section, since = 0, users = ["root", "unprivileged"], v1 }] of Object.entries(SETTINGS)) {
    for (const user of users) {
      for (const form of ["as ExecStart=", "from a shell"]) {
        const old = machine.version < since && `systemd ${machine.version} does not know it`;
        test.skipIf(Boolean(old))(titled(`${title}, ${user}, ${form}`, old), async () => {
          const command = [machine.command, "--ready", `--status=${title}`];
          const who: Section = user === "unprivileged" && section.DynamicUser === undefined ? UNPRIVILEGED : {};
          const shell = exec("/bin/sh", "-c", '"$@"', "sh", ...command);
          const enter = limited(machine, v1);
          const unit = machine.service({
            Type: "notify",
            NotifyAccess: "all",
            RemainAfterExit: "yes",
            TimeoutStartSec: 20,
            ...who,
            ...section,
            ExecStart: enter
              ? exec(
                  "/bin/sh",
                  "-c",
                  `${enter}${form === "from a shell" ? '"$@"; exit' : 'exec "$@"'}`,
                  "sh",
                  ...command,
                )
              : form === "from a shell"
                ? shell
                : exec(...command),
          });
          const { code } = await unit.start();
          if (code !== 0) throw new Error(`${await unit.output()}${await unit.journal()}`);
          await unit.until({ ActiveState: "active", StatusText: title });
        });
      }
    }
  }

  test("the judge sees a command that is not heard", async () => {
    const unit = machine.service({
      Type: "notify",
      NotifyAccess: "all",
      RemainAfterExit: "yes",
      ExecStart: exec("/bin/true", "--ready"),
    });
    expect((await unit.start()).code).toBe(1);
  });
});

/** Enters a cgroup of v1 with the limit, where those of v2 have no such controller; says nothing where they have. */
function limited(machine: Machine, v1: Setting["v1"]): string | undefined {
  if (v1 === undefined) return undefined;
  const [controller, file, value] = v1;
  const group = `/limits/${controller}/${crypto.randomUUID()}`;
  try {
    mkdirSync(machine.outside(group));
  } catch {
    return undefined;
  }
  machine.write(`${group}/${file}`, value);
  chmodSync(machine.outside(`${group}/cgroup.procs`), 0o666);
  return `echo $$ >${group}/cgroup.procs || exit 9; `;
}
