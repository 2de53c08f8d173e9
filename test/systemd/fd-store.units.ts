import { expect, test } from "bun:test";
import { titled } from "../support/command.ts";
import { describeEach, exec, type Section, type Unit } from "./machine.ts";

describeEach("fd store", (machine) => {
  const noFd = machine.commandVersion < 254 && `systemd-notify ${machine.commandVersion} has no --fd`;
  const storing = (title: string, define: () => Promise<void>, skipped: string | false = false) =>
    test.skipIf(Boolean(noFd || skipped))(titled(title, noFd || skipped), define);
  const start = async (section: Section = {}) => {
    const unit = await machine.shell({ FileDescriptorStoreMax: 2, ...section });
    await unit.ready();
    return unit;
  };
  const PASSED = `"$N" --ready --status="$LISTEN_FDS $LISTEN_FDNAMES: $(cat /proc/$$/fd/3)"`;
  const STORE = `file=$(mktemp); echo kept >"$file"; "$N" --fd=4 --fdname=state 4<"$file"`;

  storing("an fd is stored by its name, and passed again after a restart", async () => {
    using unit = await start();
    unit.tell(STORE);
    await unit.until({ NFileDescriptorStore: "1" });
    unit.tell("sleep 1000");
    const restarted = machine.systemctl("restart", unit.name);
    await unit.until({ SubState: "start" });
    unit.tell(PASSED);
    expect((await restarted).code).toBe(0);
    await unit.until({ StatusText: "1 state: kept", NFileDescriptorStore: "1" });
  });

  storing("no more are stored than FileDescriptorStoreMax= allows", async () => {
    using unit = await start();
    unit.tell(`for name in one two three; do exec 4<"$(mktemp)"; "$N" --fd=4 --fdname=$name; done; "$N" --status=all`);
    await unit.until({ StatusText: "all", NFileDescriptorStore: "2" });
  });

  storing("FDSTOREREMOVE=1 removes those of a name", async () => {
    using unit = await start();
    unit.tell(`for name in one two; do exec 4<"$(mktemp)"; "$N" --fd=4 --fdname=$name; done; exec 4<&-`);
    await unit.until({ NFileDescriptorStore: "2" });
    unit.tell('"$N" FDSTOREREMOVE=1 FDNAME=one');
    await unit.until({ NFileDescriptorStore: "1" });
  });

  storing("a stop empties the store", async () => {
    using unit = await start();
    unit.tell(STORE);
    await unit.until({ NFileDescriptorStore: "1" });
    unit.tell("sleep 1000");
    expect((await unit.stop()).code).toBe(0);
    await unit.until({ NFileDescriptorStore: "0", ActiveState: "inactive" });
  });

  const noPin = machine.version < 254 && `systemd ${machine.version} has no FileDescriptorStorePreserve=`;
  storing(
    "FileDescriptorStorePreserve=yes pins a stopped unit, and it has its fds again",
    async () => {
      using unit = await start({ FileDescriptorStorePreserve: "yes" });
      unit.tell(STORE);
      await unit.until({ NFileDescriptorStore: "1" });
      unit.tell("sleep 1000");
      expect((await unit.stop()).code).toBe(0);
      await unit.until({ NFileDescriptorStore: "1", SubState: "dead-resources-pinned" });
      unit.tell(PASSED);
      expect((await unit.start()).code).toBe(0);
      await unit.until({ StatusText: "1 state: kept" });
      await unit.stop();
      await machine.systemctl("clean", "--what=fdstore", unit.name);
    },
    noPin,
  );

  const baseline = machine.isBaseline && "it does not concern systemd-notify";
  /** A unit that is a program of the library's, which goes on until it is stopped. */
  const program = (source: string, section: Section = {}) => {
    const path = `${machine.directory}/fd-store-${process.pid}-${machine.version}-${++programs}.ts`;
    machine.write(path, `import * as sd from "${machine.checkout}/dist/index.js";\n${PRELUDE}${source}`);
    const start = exec(`${machine.checkout}/node_modules/bun/bin/bun.exe`, path);
    return machine.service(
      { Type: "notify", FileDescriptorStoreMax: 1, TimeoutStopSec: 5, ...section, ExecStart: start },
      { Unit: { StartLimitIntervalSec: 0 } },
    );
  };
  const restart = async (unit: Unit) => {
    const { code, stderr } = await machine.systemctl("restart", unit.name);
    if (code !== 0) throw new Error(`${stderr}${await unit.output()}`);
  };
  const scenario = (title: string, define: () => Promise<void>, skipped: string | false = false, timeoutMs = 60_000) =>
    test.skipIf(Boolean(baseline || skipped))(titled(title, baseline || skipped), define, timeoutMs);

  scenario("1,500 saves in a burst make PID 1 start no process, and the last is there after a restart", async () => {
    const unit = program(`
      const before = text(sd.loadState("jobs"));
      const count = () => { sd.barrierSync({ timeoutMs: 30_000 }); return Number(readFileSync("/proc/loadavg", "latin1").split(" ")[4]); };
      const start = count();
      for (let i = 1; i <= 1500; i++) sd.saveState("jobs", \`\${i} of \${process.env.INVOCATION_ID}\`);
      const processes = count() - start;
      sd.notify({ ready: true, status: \`before: \${before}; \${processes} processes; now: \${text(sd.loadState("jobs"))}\` });
      setInterval(() => {}, 1e6);`);
    await unit.start();
    for (const before of [/^undefined/, /^1500 of/, /^1500 of/]) {
      const { StatusText = "" } = await unit.until({ StatusText: /now: 1500/, NFileDescriptorStore: "1" });
      const [, found = "", processes] = /^before: (.*); (\d+) processes/.exec(StatusText) ?? [];
      expect(found).toMatch(before);
      // Those are of other tests, which run beside. With a removal for each save there are 1,500 more.
      expect(Number(processes)).toBeLessThan(300);
      await restart(unit);
    }
    expect((await unit.stop()).code).toBe(0);
  });

  const kills = Number(process.env.SD_NOTIFY_KILLS ?? 30);
  scenario(
    "no state is lost when the program is killed at random moments of its saves",
    async () => {
      const acked = `${machine.directory}/acked-${process.pid}-${machine.version}`;
      machine.write(acked, "");
      // A thread kills the process while another saves. What is in the file has been saved.
      const unit = program(
        `
        const acked = openSync("${acked}", "r+");
        const [saved, kills, lost] = text(new Uint8Array(readFileSync("${acked}"))).split(" ").map(Number);
        const stateOf = (i) => Buffer.alloc(8 + (i * 7919) % 200_000, i & 0xff).fill(String(i).padStart(8), 0, 8);
        const loaded = sd.loadState("jobs");
        let i = loaded === undefined ? 0 : Number(Buffer.from(loaded).toString("latin1", 0, 8));
        const whole = loaded === undefined || Buffer.compare(loaded, stateOf(i)) === 0;
        const nowLost = (lost || 0) + (whole && (i === (saved || 0) || i === saved + 1) ? 0 : 1);
        const ack = () => writeSync(acked, \`\${i} \${(kills || 0) + 1} \${nowLost} \`, 0);
        ack();
        sd.notify({ ready: true, status: \`\${kills || 0} kills, \${nowLost} lost, \${i > 0}\` });
        if ((kills || 0) >= ${kills}) setInterval(() => {}, 1e6);
        else {
          const killer = "Bun.sleepSync(Math.random() * 20); process.kill(process.pid, 'SIGKILL');";
          new Worker(URL.createObjectURL(new Blob([killer])));
          for (;;) { sd.saveState("jobs", stateOf(++i)); ack(); }
        }`,
        { Restart: "always", RestartSec: 0 },
      );
      await unit.start("--no-block");
      await unit.until(
        { StatusText: `${kills} kills, 0 lost, true`, NFileDescriptorStore: "1" },
        { timeoutMs: kills * 2000 },
      );
      await unit.stop();
    },
    false,
    kills * 2000,
  );

  scenario("what an older version or another program stored is read, and replaced in a store for one", async () => {
    const unit = program(`
      const before = text(sd.loadState("jobs"));
      if (before === undefined) {
        const raw = createMemfd("jobs");
        writeSync(raw, "raw");
        sd.storeFds([raw], { name: "jobs" });
      } else {
        sd.saveState("jobs", before + "+");
        sd.saveState("jobs", before + "+1");
      }
      sd.barrierSync();
      sd.notify({ ready: true, status: \`before: \${before}\` });
      setInterval(() => {}, 1e6);`);
    await unit.start();
    for (const before of ["undefined", "raw", "raw+1", "raw+1+1"]) {
      await unit.until({ StatusText: `before: ${before}`, NFileDescriptorStore: "1" });
      await restart(unit);
    }
    await unit.stop();
  });

  scenario("a state that is removed is gone, and one that is saved again is kept", async () => {
    const unit = program(`
      const before = text(sd.loadState("jobs"));
      sd.saveState("jobs", "one");
      sd.removeFds("jobs");
      if (before === undefined) sd.saveState("jobs", "two");
      sd.barrierSync();
      sd.notify({ ready: true, status: \`before: \${before}\` });
      setInterval(() => {}, 1e6);`);
    await unit.start();
    await unit.until({ StatusText: "before: undefined", NFileDescriptorStore: "1" });
    await restart(unit);
    await unit.until({ StatusText: "before: two", NFileDescriptorStore: "0" });
    await restart(unit);
    await unit.until({ StatusText: "before: undefined", NFileDescriptorStore: "1" });
    await unit.stop();
  });

  scenario("names of 255 characters and with backslashes are kept", async () => {
    const unit = program(
      `
      const names = ["n".repeat(255), "a\\\\b", "c\\\\", "d e"];
      const before = names.map((name) => text(sd.loadState(name)));
      const kept = names.map((name, i) => sd.saveState(name, String(i)));
      sd.barrierSync();
      sd.notify({ ready: true, status: \`before: \${before} \${kept}\` });
      setInterval(() => {}, 1e6);`,
      { FileDescriptorStoreMax: 4 },
    );
    await unit.start();
    await unit.until({ StatusText: "before: ,,, true,true,true,true", NFileDescriptorStore: "4" });
    await restart(unit);
    await unit.until({ StatusText: "before: 0,1,2,3 true,true,true,true", NFileDescriptorStore: "4" });
    await unit.stop();
  });

  const noVariable = machine.version < 254 && `systemd ${machine.version} sets no $FDSTORE`;
  scenario(
    "storeFds() and saveState() say by $FDSTORE that there is no room",
    async () => {
      const unit = program(
        `
        const [a, b] = ["/", "/proc"].map((path) => openSync(path, "r"));
        const told = [sd.storeFds([a, b, 0]), sd.storeFds([a, b]), sd.storeFds([0]), sd.saveState("jobs", "x")];
        sd.barrierSync();
        sd.notify({ ready: true, status: told.join(" ") });
        setInterval(() => {}, 1e6);`,
        { FileDescriptorStoreMax: 2 },
      );
      await unit.start();
      await unit.until({ StatusText: "false true false false", NFileDescriptorStore: "2" });
      await unit.stop();
    },
    noVariable,
  );

  scenario(
    "they say so in a unit without FileDescriptorStoreMax=",
    async () => {
      const unit = program(
        `
        sd.notify({ ready: true, status: [sd.storeFds([0]), sd.saveState("jobs", "x")].join(" ") });
        setInterval(() => {}, 1e6);`,
        { FileDescriptorStoreMax: undefined },
      );
      await unit.start();
      await unit.until({ StatusText: "false false" });
      await unit.stop();
    },
    noVariable,
  );
});

// --- internal ---

let programs = 0;

const PRELUDE = `
  import { openSync, readFileSync, writeSync } from "node:fs";
  import { dlopen } from "bun:ffi";
  const text = (bytes) => bytes && new TextDecoder().decode(bytes);
  const createMemfd = (name) => dlopen("libc.so.6", { memfd_create: { args: ["cstring", "u32"], returns: "i32" } }).symbols.memfd_create(name, 1);
`;
