/**
 * Real daemons of Debian: what the monitor makes of what they say is what PID 1 does, at the debug level.
 * Each is started twice, by PID 1 and under the monitor, reloaded, and stopped. (`npm run test:systemd --
 * daemons`: it downloads much, and so is none of the usual ones.)
 */

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { splitLines } from "../../src/protocol/wire.ts";
import type { MonitorEvent } from "../../src/tools/monitor/events.ts";
import { titled } from "../support/command.ts";
import { select } from "../support/monitor.ts";
import { describeEach, exec, type Machine, type Unit } from "./machine.ts";

interface Daemon {
  name: string;
  /** What it is there by. */
  program: string;
  /** The command, which replaces a shell. $D is a directory of its own. */
  command: string;
  /** What that shell does first. */
  first?: string;
  type?: "notify" | "notify-reload";
  /** What has to be there, in a shell; default: nothing. */
  prepare?: string;
  /** The signal by which it reloads. */
  reload?: string;
  /** Why its stop is now this, now that, under PID 1 too: then what it says in it is not compared. */
  stopsByChance?: string;
}

const DAEMONS: Daemon[] = [
  {
    name: "redis",
    program: "/usr/bin/redis-server",
    command: '/usr/bin/redis-server --supervised systemd --daemonize no --save "" --dir "$D"',
  },
  {
    name: "sshd",
    program: "/usr/sbin/sshd",
    prepare: "mkdir -p /run/sshd",
    command: "/usr/sbin/sshd -D -e",
    reload: "HUP",
  },
  {
    name: "named",
    program: "/usr/sbin/named",
    prepare: "mkdir -p /run/named",
    command: "/usr/sbin/named -f",
    reload: "HUP",
  },
  {
    name: "caddy",
    program: "/usr/bin/caddy",
    command: 'env HOME="$D" /usr/bin/caddy run --config /etc/caddy/Caddyfile',
  },
  {
    name: "apache2",
    program: "/usr/sbin/apachectl",
    command: "env APACHE_STARTED_BY_SYSTEMD=true /usr/sbin/apachectl start",
    reload: "USR1",
  },
  {
    name: "haproxy",
    program: "/usr/sbin/haproxy",
    prepare: `printf 'defaults\\n timeout connect 1s\\n timeout client 1s\\n timeout server 1s\\n mode http\\nlisten a\\n bind 127.0.0.1:8081\\n' > "$D/haproxy.cfg"`,
    command: '/usr/sbin/haproxy -Ws -f "$D/haproxy.cfg" -p "$D/pid"',
    stopsByChance: "its master ends without STOPPING=1 when it sees the end of its worker first",
    reload: "USR2",
  },
  {
    name: "postgresql",
    program: "/usr/bin/pg_ctlcluster",
    prepare: "mkdir -p /run/postgresql; chown postgres: /run/postgresql",
    first: "cd /etc/postgresql/*/main; v=$(basename $(dirname $PWD))",
    command:
      "setpriv --reuid=postgres --regid=postgres --init-groups " +
      "/usr/lib/postgresql/$v/bin/postgres -D /var/lib/postgresql/$v/main -c config_file=$PWD/postgresql.conf",
    reload: "HUP",
  },
  {
    name: "mariadb",
    program: "/usr/sbin/mariadbd",
    prepare: "mkdir -p /run/mysqld; chown mysql: /run/mysqld",
    command: "/usr/sbin/mariadbd --user=mysql",
    reload: "HUP",
  },
  {
    name: "php-fpm",
    program: "/usr/lib/php",
    prepare: "mkdir -p /run/php",
    command: "/usr/sbin/php-fpm*.* --nodaemonize --fpm-config /etc/php/*/fpm/php-fpm.conf",
    reload: "USR2",
  },
  {
    name: "unbound",
    program: "/usr/sbin/unbound",
    prepare: `printf 'server:\\n chroot: ""\\n use-syslog: no\\n' > "$D/unbound.conf"`,
    command: '/usr/sbin/unbound -d -p -c "$D/unbound.conf"',
    reload: "HUP",
  },
  {
    name: "mosquitto",
    program: "/usr/sbin/mosquitto",
    prepare: "mkdir -p /run/mosquitto; chown mosquitto: /run/mosquitto",
    command: "/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf",
    reload: "HUP",
  },
  { name: "dovecot", program: "/usr/sbin/dovecot", command: "/usr/sbin/dovecot -F", reload: "HUP" },
  {
    name: "systemd-resolved",
    program: "/usr/lib/systemd/systemd-resolved",
    prepare: "mkdir -p /run/systemd/resolve; chown systemd-resolve: /run/systemd/resolve",
    command: "/usr/lib/systemd/systemd-resolved",
    type: "notify-reload",
  },
  {
    name: "puma",
    program: "/usr/bin/puma",
    prepare: `echo 'run ->(env) { [200, {}, []] }' > "$D/config.ru"`,
    command: '/usr/bin/puma -b "unix://$D/puma" "$D/config.ru"',
    stopsByChance: "it does not always end within its time",
  },
  {
    name: "gunicorn",
    program: "/usr/bin/gunicorn",
    prepare: `printf 'def app(environ, start):\\n    start("200 OK", [])\\n    return []\\n' > "$D/app.py"`,
    command: '/usr/bin/gunicorn --chdir "$D" --bind "unix:$D/gunicorn" app:app',
    reload: "HUP",
  },
];

/** What a unit was at and what was said, each thing once where it came several times in a row. */
interface Seen {
  phases: string[];
  messages: string[];
}

describeEach("daemons", (machine) => {
  for (const daemon of DAEMONS) {
    const absent = existsSync(machine.outside(daemon.program)) ? undefined : `no ${daemon.program} in the archive`;
    test.skipIf(Boolean(absent))(
      titled(`${daemon.name}: the monitor sees what PID 1 does`, absent),
      async () => {
        const directory = `${machine.directory}/${daemon.name}`;
        const prepare = `D=${directory}; mkdir -p "$D"; chmod 777 "$D"; ${daemon.prepare ?? ""}`;
        expect(await machine.run(["sh", "-ec", prepare])).toMatchObject({ code: 0 });
        const command = ["/bin/sh", "-c", `D=${directory}; ${daemon.first ?? ":"}; exec ${daemon.command}`];
        const byPidOne = await underPidOne(machine, daemon, command);
        const byMonitor = await underMonitor(machine, daemon, command, `${directory}/events`);
        const compared = daemon.stopsByChance === undefined ? (seen: Seen) => seen : untilStop;
        expect(compared(byMonitor)).toEqual(compared(byPidOne));
        expect(byPidOne.phases).toContain("active");
      },
      120_000,
    );
  }
});

// --- internal ---

async function underPidOne(machine: Machine, { type = "notify", reload }: Daemon, command: string[]): Promise<Seen> {
  const unit = machine.service({ Type: type, ExecStart: exec(...command), TimeoutStartSec: 40, TimeoutStopSec: 20 });
  const started = await unit.start();
  if (started.code !== 0) throw new Error(`${await unit.journal()}\n${await unit.output()}`);
  if (type === "notify-reload") await machine.systemctl("reload", unit.name);
  if (reload !== undefined) {
    const { MainPID = "" } = await unit.show("MainPID");
    await machine.run(["kill", `-${reload}`, MainPID]);
  }
  await settle(async () => readJournal(unit.name, await unit.journal()));
  await unit.stop();
  await unit.until({ ActiveState: /^(inactive|failed)$/ });
  return readJournal(unit.name, await unit.journal());
}

/** The monitor is itself a unit, so that what it starts has what a service has. */
async function underMonitor(
  machine: Machine,
  { type = "notify", reload }: Daemon,
  command: string[],
  file: string,
): Promise<Seen> {
  const options = ["--json", `--type=${type}`, "--timeout-start=40", "--timeout-stop=20"];
  const unit: Unit = machine.service({
    Type: "exec",
    KillMode: "mixed",
    StandardOutput: `truncate:${file}`,
    StandardError: "journal",
    ExecStart: exec(`${machine.checkout}/dist/sd-notify`, "monitor", ...options, "--", ...command),
  });
  await unit.start();
  const text = () => readFileSync(machine.outside(file), "utf8");
  const events = () =>
    text()
      .split("\n")
      .slice(0, -1)
      .map((line): MonitorEvent => JSON.parse(line));
  const isDone = () => select(events(), "phase").some(({ to }) => to === "active" || to === "failed");
  for (const deadline = performance.now() + 50_000; !isDone() && performance.now() < deadline; ) await Bun.sleep(50);
  const [started] = select(events(), "started");
  const named = select(events(), "message").flatMap(({ text }) => /^MAINPID=(\d+)$/m.exec(text)?.[1] ?? []);
  const mainPid = named.at(-1) ?? `${started?.pid}`;
  const signal = type === "notify-reload" ? "HUP" : reload;
  if (signal !== undefined) await machine.run(["kill", `-${signal}`, mainPid]);
  await settle(async () => readEvents(events()));
  await unit.stop();
  await unit.until({ ActiveState: /^(inactive|failed)$/ });
  return readEvents(events());
}

function readEvents(events: MonitorEvent[]): Seen {
  const messages = select(events, "message").map(({ text, verdict }) => {
    const refused = verdict.problems.some(({ what }) => what === "");
    return refused ? "refused" : unvaried((splitLines(text) ?? []).join(", "));
  });
  return { phases: once(select(events, "phase").map(({ to }) => to)), messages: once(messages) };
}

function readJournal(name: string, journal: string): Seen {
  const phases: string[] = [];
  const messages: string[] = [];
  for (const line of journal.split("\n")) {
    if (!line.startsWith(`${name}: `)) continue;
    const [, state = ""] = /: Changed \S+ -> (\S+)$/.exec(line) ?? [];
    const phase = PHASES.find(([pattern]) => pattern.test(state))?.[1];
    if (phase !== undefined) phases.push(phase);
    const [, tags] = /: Got notification message from PID \d+: (.*)$/.exec(line) ?? [];
    if (tags !== undefined) messages.push(unvaried(tags));
    else if (/: Got notification message from PID \d+, but reception/.test(line)) messages.push("refused");
  }
  return { phases: once(phases), messages: once(messages) };
}

/** The states of src/core/service.c, and what they are to a user. */
const PHASES: [RegExp, string][] = [
  [/^(condition|start)/, "activating"],
  [/^running$/, "active"],
  [/^reload/, "reloading"],
  [/^(stop|final)/, "deactivating"],
  [/^dead/, "inactive"],
  [/^failed/, "failed"],
];

/** Without what is another thing each time. */
function unvaried(message: string): string {
  return message.replaceAll(/\d+/g, "N");
}

function untilStop({ phases, messages }: Seen): Seen {
  const before = (list: string[], isStop: (one: string) => boolean) =>
    list.slice(0, list.findIndex(isStop) + 1 || undefined).filter((one) => !isStop(one));
  return {
    phases: before(phases, (phase) => phase === "deactivating"),
    messages: before(messages, (message) => message.startsWith("STOPPING=")),
  };
}

function once(list: readonly string[]): string[] {
  return list.filter((one, i) => one !== list[i - 1]);
}

/** Waits until nothing more comes: nobody tells when a daemon has no more to say. */
async function settle(look: () => Promise<Seen>): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (let before: Seen | undefined; performance.now() < deadline; await Bun.sleep(1500)) {
    const now = await look();
    if (Bun.deepEquals(now, before)) return;
    before = now;
  }
}
