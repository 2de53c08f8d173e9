import { expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { PROGRAM_STATUSES, SYSTEMD_STATUSES } from "../../src/tools/doctor/exit-statuses.ts";
import { STRANGE } from "../support/nasty.ts";
import { describeEach, type Machine, type Unit } from "./machine.ts";
import { type Broken, brokenUnits, type Cure, type My, type Said } from "./trial.ts";

/** The only unit of a scenario: it is to be active, and ends instead. */
const service =
  (...lines: (string | ((my: My) => string))[]) =>
  (my: My) => ({
    [my.unit]: `[Service]\nType=exec\n${lines.map((line) => (typeof line === "string" ? line : line(my))).join("\n")}\n`,
  });

/** What the cure has to say, and what is done then. */
const says = (text: RegExp, cure: (my: My) => Cure) => (said: Said, my: My) => {
  expect(said.cause?.cure).toMatch(text);
  return cure(my);
};

const lines =
  (...lines: string[]) =>
  (): Cure => ({ lines });

const SLEEP = "ExecStart=/bin/sleep infinity";
const state = { ActiveState: "failed" };
const sleeps = lines("ExecStart=", SLEEP);
const since253 = ({ version }: Machine) => version < 253 && `systemd ${version} does not know it`;

/** A script, which is given its mode before the start. */
const script = (text: string, mode: number) => ({
  files: (my: My) => ({
    [`${my.directory}/run`]: text,
    [my.unit]: `[Service]\nType=exec\nExecStart=${my.directory}/run\n`,
  }),
  arrive: async (unit: Unit, my: My) => {
    chmodSync(my.machine.outside(`${my.directory}/run`), mode);
    await unit.start("--no-block");
  },
});

const OF_SYSTEMD: Broken[] = [
  {
    title: "200/CHDIR: WorkingDirectory= is not there",
    files: service((my) => `WorkingDirectory=${my.directory}/none`, SLEEP),
    state,
    cause:
      /ExecStart=\/bin\/sleep infinity ended with status 200\/CHDIR.*Failed at step CHDIR spawning \/bin\/sleep: No such file/,
  },
  {
    title: "200/CHDIR: User= may not enter WorkingDirectory=",
    files: service("User=nobody", "WorkingDirectory=/root", SLEEP),
    state,
    cause: /status 200\/CHDIR.*WorkingDirectory=\/root, User=nobody.*Permission denied/,
  },
  {
    title: "200/CHDIR: of ExecStartPre=",
    files: service(
      (my) => `WorkingDirectory=${my.directory}/none`,
      "ExecStartPre=-/bin/true",
      "ExecStartPre=/bin/true 1",
      SLEEP,
    ),
    state,
    cause: /ExecStartPre=\/bin\/true 1 ended with status 200\/CHDIR/,
  },
  {
    title: "202/FDS: OpenFile= names a file that is not there",
    skip: since253,
    files: service((my) => `OpenFile=${my.directory}/none:x`, SLEEP),
    state,
    cause: /status 202\/FDS: file descriptors can't be passed on; its unit has OpenFile=/,
    cure: says(/graceful/, (my) => ({ lines: ["OpenFile=", `OpenFile=${my.directory}/none:x:graceful`] })),
  },
  {
    title: "203/EXEC: there is no such program, but one of its name",
    files: service("ExecStart=/opt/none/sleep infinity"),
    state,
    cause:
      /status 203\/EXEC: there is no \/opt\/none\/sleep;.*Failed at step EXEC spawning \/opt\/none\/sleep: No such file/,
    cure: ({ cause }) => {
      const [, path = ""] = /^ExecStart= with (\S+), which is there$/.exec(cause?.cure ?? "") ?? [];
      return { lines: ["ExecStart=", `ExecStart=${path} infinity`] };
    },
  },
  {
    title: "203/EXEC: the file may not be executed",
    ...script("#!/bin/sh\nexec sleep infinity\n", 0o644),
    state,
    cause: /status 203\/EXEC: \S+\/run may be executed by nobody: its mode has no x;.*Permission denied/,
  },
  {
    title: "203/EXEC: the interpreter is not there",
    ...script("#!/opt/none/sh\nexec sleep infinity\n", 0o755),
    state,
    cause: /status 203\/EXEC: the first line of \S+\/run names \/opt\/none\/sh, and there is no such program/,
    cure: says(/or name another in the first line/, (my) => ({
      files: { [`${my.directory}/run`]: "#!/bin/sh\nexec sleep infinity\n" },
    })),
  },
  {
    title: "203/EXEC: a script without a first line",
    ...script("exec sleep infinity\n", 0o755),
    state,
    cause: /status 203\/EXEC: \S+\/run is no binary, and its first line does not begin with #!/,
    cure: says(/^#!\/bin\/sh/, (my) => ({ files: { [`${my.directory}/run`]: "#!/bin/sh\nexec sleep infinity\n" } })),
  },
  {
    title: "208/STDIN: the file of StandardInput= is not there",
    files: service((my) => `StandardInput=file:${my.directory}/none`, SLEEP),
    state,
    cause: /status 208\/STDIN: what StandardInput= names can't be opened; its unit has StandardInput=file:/,
  },
  {
    title: "209/STDOUT: the directory of StandardOutput= is not there",
    files: service((my) => `StandardOutput=append:${my.directory}/none/log`, SLEEP),
    state,
    cause: /status 209\/STDOUT: what StandardOutput= names can't be opened/,
  },
  {
    title: "222/STDERR: the directory of StandardError= is not there",
    files: service((my) => `StandardError=truncate:${my.directory}/none/log`, SLEEP),
    state,
    cause: /status 222\/STDERR: what StandardError= names can't be opened/,
  },
  {
    title: "215/CPUAFFINITY: processors that are not there",
    files: service("CPUAffinity=1000", SLEEP),
    state,
    cause: /status 215\/CPUAFFINITY/,
  },
  {
    title: "216/GROUP: the group is not known",
    files: service("Group=sdnotifytestgroup", SLEEP),
    state,
    cause: /status 216\/GROUP.*its unit has Group=sdnotifytestgroup/,
    cure: says(/^groupadd --system sdnotifytestgroup/, lines("Group=nogroup")),
  },
  {
    title: "217/USER: the user is not known",
    files: service("User=sdnotifytestuser", SLEEP),
    state,
    cause: /status 217\/USER: the user of User= is not known.*its unit has User=sdnotifytestuser/,
    cure: says(/^useradd --system sdnotifytestuser, or DynamicUser=yes$/, lines("DynamicUser=yes")),
  },
  {
    title: "225/NETWORK: the namespace is not there",
    files: service((my) => `NetworkNamespacePath=${my.directory}/none`, SLEEP),
    state,
    cause: /status 225\/NETWORK.*its unit has NetworkNamespacePath=/,
    cure: says(/^NetworkNamespacePath= with a namespace that is there/, lines("NetworkNamespacePath=")),
  },
  {
    title: "226/NAMESPACE: a path of ReadWritePaths= is not there",
    files: service((my) => `ReadWritePaths=${my.directory}/none`, SLEEP),
    state,
    cause: /status 226\/NAMESPACE: its view of the file system can't be made; its unit has ReadWritePaths=/,
  },
  {
    title: "226/NAMESPACE: a path of BindPaths= is not there",
    files: service((my) => `BindPaths=${my.directory}/none:/mnt`, SLEEP),
    state,
    cause: /status 226\/NAMESPACE: .*its unit has BindPaths=.*there is no \S+\/none;/,
  },
  {
    title: "233/RUNTIME_DIRECTORY: a file is in its place",
    files: (my) => ({
      [`/run/${my.name}`]: "",
      [my.unit]: `[Service]\nType=exec\nRuntimeDirectory=${my.name}\n${SLEEP}\n`,
    }),
    state,
    cause: /status 233\/RUNTIME_DIRECTORY: the directory of RuntimeDirectory= can't be made in \/run/,
    cure: ({ cause }) => ({ commands: [/^rm \S+(?=, which is no directory)/.exec(cause?.cure ?? "")?.[0] ?? ""] }),
  },
  {
    title: "243/CREDENTIALS: the file of LoadCredential= is not there",
    files: service((my) => `LoadCredential=key:${my.directory}/none`, SLEEP),
    state,
    cause: /status 243\/CREDENTIALS: its credentials can't be read; its unit has LoadCredential=key:/,
    cure: says(/^LoadCredential= with a file that is there: key:/, (my) => ({
      files: { [`${my.directory}/none`]: "x" },
    })),
  },
];

const OF_PROGRAMS: Broken[] = [
  {
    title: "1/FAILURE: the last line tells why",
    files: service((my) => `ExecStart=${my.sh("echo hello; echo port 80 is taken >&2; exit 1")}`),
    state,
    cause: /status 1\/FAILURE: the program's own failure; its last line is "port 80 is taken"/,
    cure: says(/journalctl --unit=/, sleeps),
  },
  {
    title: "1/FAILURE: of ExecStartPre=",
    files: service("ExecStartPre=/bin/false", SLEEP),
    state,
    cause: /ExecStartPre=\/bin\/false ended with status 1\/FAILURE/,
    cure: says(/journalctl --unit=/, lines("ExecStartPre=")),
  },
  {
    title: "1/FAILURE: of ExecStartPost=",
    files: service("ExecStartPost=/bin/false", SLEEP),
    state,
    cause: /ExecStartPost=\/bin\/false ended with status 1\/FAILURE/,
    cure: says(/journalctl --unit=/, lines("ExecStartPost=")),
  },
  {
    title: "2/INVALIDARGUMENT: an option that is not known",
    files: service("ExecStart=/bin/ls --nope"),
    state,
    cause:
      /ExecStart=\/bin\/ls --nope ended with status 2\/INVALIDARGUMENT: most often, arguments.*its last line is "Try /,
    cure: says(/journalctl --unit=/, sleeps),
  },
  {
    title: "78/CONFIG, before READY=1",
    files: (my) => ({ [my.unit]: `[Service]\nType=notify\nExecStart=${my.sh("echo line 3 >&2; exit 78")}\n` }),
    state,
    cause: /status 78\/CONFIG: the program's configuration is wrong; its last line is "line 3"/,
    cure: says(/journalctl --unit=/, lines("Type=exec", "ExecStart=", SLEEP)),
  },
  {
    title: "126: a shell can't execute a command",
    files: service((my) => `ExecStart=${my.sh("/etc/passwd")}`),
    state,
    cause:
      /status 126: for a shell, and env\(1\): a command was found, and can't be executed; its last line is ".*denied"/,
    cure: says(/^chmod a\+x for that command/, sleeps),
  },
  {
    title: "127: a shell finds no such command",
    files: service((my) => `ExecStart=${my.sh("nosuchcommand")}`),
    state,
    cause: /status 127: for a shell, and env\(1\): a command was not found in \$PATH; its last line is ".*not found"/,
    cure: says(/^the whole path of the command/, sleeps),
  },
  {
    title: "137: what a shell says of SIGKILL",
    files: service((my) => `ExecStart=${my.sh("sh -c 'kill -KILL $$'; exit $?")}`),
    state,
    cause: /status 137: a shell says so of a command that was killed by SIGKILL/,
    cure: says(/journalctl --unit=/, sleeps),
  },
  {
    title: "the last line has escape sequences",
    files: service((my) => `ExecStart=${my.sh("printf '\\033[2Jgone\\r\\302\\233\\342\\200\\256x\\n'; exit 4")}`),
    state,
    cause: /status 4\/NOPERMISSION: .*its last line is ".*gone/,
    cure: ({ text }) => {
      for (const line of text.split("\n")) expect(line).not.toMatch(STRANGE);
      return { lines: ["ExecStart=", SLEEP] };
    },
  },
  {
    title: "SIGSEGV",
    files: service((my) => `ExecStart=${my.sh("kill -SEGV $$")}`),
    state,
    cause: /was killed by SIGSEGV.*: an error of the program's/,
    cure: says(/coredumpctl/, sleeps),
  },
  {
    title: "SIGKILL",
    files: service((my) => `ExecStart=${my.sh("kill -KILL $$")}`),
    state,
    cause: /was killed by SIGKILL: somebody killed it, or the kernel did because memory ran out/,
    cure: says(/MemoryMax=/, sleeps),
  },
  {
    title: "SIGSYS: SystemCallFilter= forbids a call",
    files: service("SystemCallFilter=~nanosleep clock_nanosleep pause", SLEEP),
    state,
    cause: /was killed by SIGSYS.*: it made a system call that SystemCallFilter= forbids/,
  },
  {
    title: "SIGXFSZ: LimitFSIZE=",
    files: service(
      "LimitFSIZE=100",
      "RemainAfterExit=yes",
      (my) => `ExecStart=/bin/dd if=/dev/zero of=${my.directory}/x bs=1000 count=1`,
    ),
    state,
    cause: /was killed by SIGXFSZ.*: it wrote a file that is larger than LimitFSIZE=/,
  },
];

brokenUnits("doctor: exit statuses of systemd", OF_SYSTEMD);
brokenUnits("doctor: exit statuses of programs", OF_PROGRAMS);

describeEach("doctor: the table of exit statuses", (machine) => {
  test("has what this systemd has", async () => {
    const { stdout } = await machine.run(["systemd-analyze", "exit-status"]);
    const listed = [...stdout.matchAll(/^(\w+)\s+(\d+)\s+(systemd|LSB|BSD|libc)$/gm)];
    expect(listed.length).toBeGreaterThan(60);
    for (const [, name, status] of listed) {
      if (status === "0") continue;
      const known = SYSTEMD_STATUSES[Number(status)] ?? PROGRAM_STATUSES[Number(status)];
      expect({ status, name: known?.name }).toEqual({ status, name });
    }
  });
});
