/** THE table of exit statuses and signals, systemd.exec(5) and signal(7): what each means, and what helps. */

export interface ExitStatus {
  name: string;
  /** After "it ended with status 200/CHDIR:". */
  what: string;
  /** The settings that lead to it. */
  settings?: readonly string[];
  /**
   * The first one that fits is used. It fits if systemd wrote what it expects, and all its placeholders have values:
   * "{Setting}" is the value of a setting, "{path}" a path that systemd wrote, "{directory}" the directory it is in.
   */
  cures: readonly (readonly [wrote: RegExp, cure: string])[];
}

/** What ended a process, by the number of the signal. */
export interface EndingSignal {
  what: string;
  cure?: string;
}

const NOT_IN_ROOT =
  "ExecStart= with a program that is in {RootDirectory}, or BindReadOnlyPaths= for it and its libraries";

/** systemd's exit-status.h: its process exits with one of these when it can't execute the program. */
export const SYSTEMD_STATUSES: Readonly<Record<number, ExitStatus>> = {
  200: {
    name: "CHDIR",
    what: "systemd can't enter the directory of WorkingDirectory=",
    settings: ["WorkingDirectory", "RootDirectory", "User"],
    cures: [
      [/No such file/, "mkdir -p {WorkingDirectory}, or WorkingDirectory=-{WorkingDirectory}"],
      [/Permission denied/, "WorkingDirectory=/, or the right to enter {WorkingDirectory} for User={User}"],
      [/^/, "WorkingDirectory= with a directory that is there and may be entered, or WorkingDirectory=/"],
    ],
  },
  201: only("NICE", "Nice= can't be set", ["Nice"], "Nice=0, or the capability CAP_SYS_NICE"),
  202: {
    name: "FDS",
    what: "file descriptors can't be passed on",
    settings: ["OpenFile", "LimitNOFILE"],
    cures: [
      [/Invalid argument/, "LimitNOFILE=1024:524288, or another above LimitNOFILE={LimitNOFILE}"],
      [/^/, "OpenFile= with a file that is there, or its option graceful: OpenFile=/path:name:graceful"],
    ],
  },
  203: {
    name: "EXEC",
    what: "the program can't be executed",
    settings: ["RootDirectory", "RootImage", "NoExecPaths", "User"],
    cures: [
      [/No such file/, NOT_IN_ROOT],
      [/No such file/, "ExecStart= with the path of a program that is there"],
      [/Permission denied/, "chmod a+x {program}, or ExecStart= with a program that the user of User= may execute"],
      [/Exec format error/, "#!/bin/sh, or another interpreter, as the first line of {program}"],
      // systemd 252 can't tell why: its words don't leave the new root.
      [/^/, NOT_IN_ROOT],
      [/^/, "ExecStart= with a program that can be executed"],
    ],
  },
  204: only(
    "MEMORY",
    "there is not enough memory",
    ["MemoryMax", "LimitAS"],
    "MemoryMax=infinity and LimitAS=infinity",
  ),
  205: only(
    "LIMITS",
    "a resource limit can't be set",
    [
      "LimitCPU",
      "LimitFSIZE",
      "LimitDATA",
      "LimitSTACK",
      "LimitCORE",
      "LimitAS",
      "LimitNOFILE",
      "LimitNPROC",
      "LimitMEMLOCK",
      "LimitLOCKS",
      "LimitSIGPENDING",
      "LimitMSGQUEUE",
      "LimitNICE",
      "LimitRTPRIO",
      "LimitRTTIME",
    ],
    "a Limit…= that is not above the hard limit of the manager, which ulimit -H shows",
  ),
  206: only("OOM_ADJUST", "OOMScoreAdjust= can't be set", ["OOMScoreAdjust"], "OOMScoreAdjust=0"),
  207: only("SIGNAL_MASK", "signals can't be set", ["IgnoreSIGPIPE"], "systemctl daemon-reexec"),
  208: {
    name: "STDIN",
    what: "what StandardInput= names can't be opened",
    settings: ["StandardInput", "TTYPath"],
    cures: [[/^/, "StandardInput=null, or a file that is there"]],
  },
  209: {
    name: "STDOUT",
    what: "what StandardOutput= names can't be opened",
    settings: ["StandardOutput", "TTYPath"],
    cures: [
      [/No such file/, "mkdir -p {StandardOutput:directory}, or StandardOutput=journal"],
      [/^/, "StandardOutput=journal, or a file that User= may write to, in a directory that is there"],
    ],
  },
  210: {
    name: "CHROOT",
    what: "the root directory can't be changed",
    settings: ["RootDirectory", "RootImage"],
    cures: [[/^/, "RootDirectory= with a directory that has a system in it"]],
  },
  211: only(
    "IOPRIO",
    "the I/O priority can't be set",
    ["IOSchedulingClass", "IOSchedulingPriority"],
    "IOSchedulingClass=best-effort",
  ),
  212: only("TIMERSLACK", "TimerSlackNSec= can't be set", ["TimerSlackNSec"], "TimerSlackNSec=50us"),
  213: only("SECUREBITS", "SecureBits= can't be set", ["SecureBits"], "SecureBits="),
  214: only(
    "SETSCHEDULER",
    "the scheduling policy can't be set",
    ["CPUSchedulingPolicy", "CPUSchedulingPriority"],
    "CPUSchedulingPolicy=other and CPUSchedulingPriority=0, or LimitRTPRIO= and the capability CAP_SYS_NICE",
  ),
  215: only(
    "CPUAFFINITY",
    "none of the processors of CPUAffinity= is there for it",
    ["CPUAffinity"],
    "CPUAffinity=, or processors that are there: nproc tells how many, and 0 is the first",
  ),
  216: {
    name: "GROUP",
    what: "its group, or one of its groups, is not known, or can't be taken",
    settings: ["Group", "SupplementaryGroups", "User"],
    cures: [
      [/^/, "groupadd --system {Group}, or another Group="],
      [/^/, "SupplementaryGroups= with groups that getent group knows"],
    ],
  },
  217: {
    name: "USER",
    what: "the user of User= is not known, or its rights can't be taken",
    settings: ["User", "DynamicUser"],
    cures: [
      [/Operation not permitted/, "User=, because this manager may not change it"],
      [/^/, "useradd --system {User}, or DynamicUser=yes"],
    ],
  },
  218: only(
    "CAPABILITIES",
    "capabilities can't be set",
    ["CapabilityBoundingSet", "AmbientCapabilities"],
    "AmbientCapabilities=, and CapabilityBoundingSet= with those that the manager itself has",
  ),
  219: only("CGROUP", "its control group can't be made or entered", ["Slice", "Delegate"], "systemctl daemon-reexec"),
  220: only("SETSID", "a session can't be made", [], "systemctl daemon-reexec"),
  221: only("CONFIRM", "somebody at the console said no", [], "systemd.confirm_spawn=no on the kernel's command line"),
  222: {
    name: "STDERR",
    what: "what StandardError= names can't be opened",
    settings: ["StandardError", "TTYPath"],
    cures: [
      [/No such file/, "mkdir -p {StandardError:directory}, or StandardError=journal"],
      [/^/, "StandardError=journal, or a file that User= may write to, in a directory that is there"],
    ],
  },
  224: only("PAM", "PAM has refused a session", ["PAMName", "User"], "PAMName=, or a file of this name in /etc/pam.d"),
  225: only(
    "NETWORK",
    "a network namespace can't be made or entered",
    ["PrivateNetwork", "NetworkNamespacePath", "JoinsNamespaceOf"],
    "NetworkNamespacePath= with a namespace that is there, which ip netns add makes, or PrivateNetwork=no",
  ),
  226: {
    name: "NAMESPACE",
    what: "its view of the file system can't be made",
    settings: [
      "ReadWritePaths",
      "ReadOnlyPaths",
      "InaccessiblePaths",
      "ExecPaths",
      "NoExecPaths",
      "BindPaths",
      "BindReadOnlyPaths",
      "TemporaryFileSystem",
      "MountImages",
      "RootDirectory",
      "RootImage",
      "PrivateTmp",
      "PrivateDevices",
      "ProtectSystem",
      "ProtectHome",
    ],
    cures: [
      [/No such file/, 'mkdir -p {path}, or "-" before the path, which is then left out when it is not there'],
      [
        /Operation not permitted/,
        "PrivateUsers=no, PrivateDevices=no and ProtectSystem=no, where it is in a container",
      ],
      [/^/, "the settings of its mount namespace, one after the other: systemd.exec(5), Sandboxing"],
    ],
  },
  227: only("NO_NEW_PRIVILEGES", "NoNewPrivileges= can't be set", ["NoNewPrivileges"], "NoNewPrivileges=no"),
  228: only(
    "SECCOMP",
    "a filter of system calls can't be set",
    ["SystemCallFilter", "SystemCallArchitectures", "RestrictNamespaces", "RestrictRealtime", "MemoryDenyWriteExecute"],
    "SystemCallFilter= and SystemCallArchitectures=, or NoNewPrivileges=yes, which an unprivileged manager needs",
  ),
  229: only("SELINUX_CONTEXT", "SELinuxContext= can't be set", ["SELinuxContext"], "SELinuxContext="),
  230: only("PERSONALITY", "Personality= can't be set", ["Personality"], "Personality="),
  231: only(
    "APPARMOR",
    "the profile of AppArmorProfile= is not loaded",
    ["AppArmorProfile"],
    "AppArmorProfile=-{AppArmorProfile}, or aa-status, which tells what is loaded",
  ),
  232: only(
    "ADDRESS_FAMILIES",
    "RestrictAddressFamilies= can't be set",
    ["RestrictAddressFamilies"],
    "RestrictAddressFamilies=",
  ),
  233: directory("RUNTIME_DIRECTORY", "RuntimeDirectory", "/run"),
  235: only(
    "CHOWN",
    "a file's owner can't be changed",
    ["User", "Group"],
    "User= and Group= that the file system knows",
  ),
  236: only("SMACK_PROCESS_LABEL", "SmackProcessLabel= can't be set", ["SmackProcessLabel"], "SmackProcessLabel="),
  237: only("KEYRING", "a keyring can't be made", ["KeyringMode"], "KeyringMode=inherit"),
  238: directory("STATE_DIRECTORY", "StateDirectory", "/var/lib"),
  239: directory("CACHE_DIRECTORY", "CacheDirectory", "/var/cache"),
  240: directory("LOGS_DIRECTORY", "LogsDirectory", "/var/log"),
  241: directory("CONFIGURATION_DIRECTORY", "ConfigurationDirectory", "/etc"),
  242: only("NUMA_POLICY", "NUMAPolicy= can't be set", ["NUMAPolicy", "NUMAMask"], "NUMAPolicy=default"),
  243: {
    name: "CREDENTIALS",
    what: "its credentials can't be read",
    settings: ["LoadCredential", "LoadCredentialEncrypted", "SetCredentialEncrypted", "ImportCredential"],
    cures: [
      [/^/, "LoadCredential= with a file that is there: {LoadCredential}"],
      [/^/, "a credential that systemd-creds decrypt can read on this machine"],
    ],
  },
  244: only("BPF", "a BPF program can't be loaded", ["RestrictFileSystems"], "RestrictFileSystems="),
  245: only("KSM", "MemoryKSM= can't be set", ["MemoryKSM"], "MemoryKSM=no"),
  246: only("MEMORY_THP", "MemoryTHP= can't be set", ["MemoryTHP"], "MemoryTHP=inherit"),
};

/** What programs mean by their exit statuses: the C library, LSB, BSD's <sysexits.h>, and shells. */
export const PROGRAM_STATUSES: Readonly<Record<number, Omit<ExitStatus, "settings" | "cures"> & { cure?: string }>> = {
  1: { name: "FAILURE", what: "the program's own failure" },
  2: { name: "INVALIDARGUMENT", what: "most often, arguments that the program does not know" },
  3: { name: "NOTIMPLEMENTED", what: "the program's own failure" },
  4: { name: "NOPERMISSION", what: "the program's own failure, or a right that it lacks" },
  5: { name: "NOTINSTALLED", what: "the program's own failure, or something that is not installed" },
  6: { name: "NOTCONFIGURED", what: "the program's own failure, or something that is not configured" },
  7: { name: "NOTRUNNING", what: "the program's own failure" },
  64: { name: "USAGE", what: "arguments that the program does not know", cure: "correct the arguments" },
  65: { name: "DATAERR", what: "the program's input is wrong" },
  66: { name: "NOINPUT", what: "a file that the program reads is not there" },
  67: { name: "NOUSER", what: "a user that is not known" },
  68: { name: "NOHOST", what: "a host that is not known" },
  69: { name: "UNAVAILABLE", what: "a service that the program needs is not there" },
  70: { name: "SOFTWARE", what: "an error inside the program" },
  71: { name: "OSERR", what: "an error of the operating system" },
  72: { name: "OSFILE", what: "a file of the system is not there" },
  73: { name: "CANTCREAT", what: "a file can't be made" },
  74: { name: "IOERR", what: "a file can't be read or written" },
  75: { name: "TEMPFAIL", what: "it may work later", cure: "Restart=on-failure and RestartSec=5" },
  76: { name: "PROTOCOL", what: "another side broke the protocol" },
  77: { name: "NOPERM", what: "a right that the program lacks" },
  78: { name: "CONFIG", what: "the program's configuration is wrong" },
  126: {
    name: "",
    what: "for a shell, and env(1): a command was found, and can't be executed",
    cure: "chmod a+x for that command",
  },
  127: {
    name: "",
    what: "for a shell, and env(1): a command was not found in $PATH",
    cure: "the whole path of the command, or Environment=PATH=…: systemd does not read a shell's profile",
  },
  255: { name: "EXCEPTION", what: "the program's own failure" },
};

/** signal(7), by name. */
export const ENDING_SIGNALS: Readonly<Record<string, EndingSignal>> = {
  SIGHUP: {
    what: "it has no handler for SIGHUP, which a reload sends",
    cure: "a handler for SIGHUP, or no ExecReload=",
  },
  SIGINT: { what: "somebody interrupted it" },
  SIGQUIT: { what: "somebody sent it SIGQUIT" },
  SIGILL: {
    what: "an instruction that this processor does not know",
    cure: "a build of the program for this processor: of Bun, the one called baseline",
  },
  SIGTRAP: { what: "a breakpoint, or an assertion of its runtime" },
  SIGABRT: { what: "it gave up: an assertion, abort(3), or a watchdog" },
  SIGBUS: { what: "memory that it mapped from a file is not there, such as a file that was cut, or a full disk" },
  SIGFPE: { what: "an arithmetic error, such as a division by zero" },
  SIGKILL: {
    what: "somebody killed it, or the kernel did because memory ran out",
    cure: "journalctl -k --grep=oom tells whether memory ran out: then MemoryMax=, or more memory",
  },
  SIGSEGV: {
    what: "an error of the program's: it used memory that is not its own",
    cure: "coredumpctl info tells where",
  },
  SIGPIPE: { what: "it wrote to a pipe that nobody reads", cure: "IgnoreSIGPIPE=yes" },
  SIGTERM: { what: "it was told to end" },
  SIGXCPU: { what: "it used more processor time than LimitCPU=", cure: "LimitCPU=infinity" },
  SIGXFSZ: { what: "it wrote a file that is larger than LimitFSIZE=", cure: "LimitFSIZE=infinity" },
  SIGSYS: {
    what: "it made a system call that SystemCallFilter= forbids",
    cure: "SystemCallFilter=, or the call that journalctl -k --grep=SECCOMP names, added to it",
  },
};

/** The settings that the cures name, and those that decide how the unit starts and ends. */
export const SETTINGS: readonly string[] = [
  ...new Set([
    ...Object.values(SYSTEMD_STATUSES).flatMap(({ settings }) => settings ?? []),
    "ExecStart",
    "PIDFile",
    "BusName",
    "GuessMainPID",
    "EnvironmentFile",
    "MemoryMax",
  ]),
];

// --- internal ---

function only(name: string, what: string, settings: readonly string[], cure: string): ExitStatus {
  return { name, what, settings, cures: [[/^/, cure]] };
}

function directory(name: string, setting: string, parent: string): ExitStatus {
  return {
    name,
    what: `the directory of ${setting}= can't be made in ${parent}`,
    settings: [setting, "User", "ReadOnlyPaths", "ProtectSystem"],
    cures: [
      [/File exists|Not a directory/, `rm ${parent}/{${setting}}, which is no directory; or another ${setting}=`],
      [/^/, `${setting}= with a name below ${parent}, which has to be writable`],
    ],
  };
}
