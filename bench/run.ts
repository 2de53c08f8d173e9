/**
 * `bun run bench`: measures beside the peers, in turn, in one run, and prints a table. Words choose rows:
 * `bun run bench cli import`. It needs a C compiler, and libsystemd's headers for that peer; what is not here
 * is named instead of its figure.
 */

import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import {
  absent,
  BINARY,
  BUN,
  build,
  compare,
  compileEmpty,
  environment,
  inTurn,
  inTurnFreshly,
  median,
  notifyTo,
  numbers,
  type Peers,
  type Row,
  receiver,
  spawn,
  work,
} from "./measure.ts";
import { serverRows } from "./servers.ts";

const ROOT = join(import.meta.dir, "..");
const STATUS = "--status=Listening on :3000";

await bench(process.argv.slice(2));

async function bench(words: string[]): Promise<void> {
  const peers = build();
  const rows: Record<string, () => Row[] | Promise<Row[]>> = {
    notify: () => notifyRows(peers),
    barrier: () => barrierRows(peers),
    cli: cliRows,
    bunx: bunxRows,
    import: importRows,
    receiver: () => receiverRows(peers),
    watchdog: watchdogRows,
    state: stateRows,
    serve: () => serverRows(peers),
    endurance: enduranceRows,
  };
  const unknown = words.filter((word) => !(word in rows));
  if (unknown.length > 0) throw new Error(`no row ${unknown.join(", ")}: there are ${Object.keys(rows).join(", ")}`);
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Linux ${release()}, Bun ${Bun.version}\n`);
  const table: Row[] = [];
  for (const [name, measure] of Object.entries(rows)) {
    if (words.length > 0 && !words.includes(name)) continue;
    console.error(`measuring ${name} …`);
    table.push(...(await measure()));
  }
  print(table);
  for (const peer of absent) console.log(`not here: ${peer}`);
}

// --- rows ---

async function notifyRows({ c, libsystemd, node: buildNode }: Peers): Promise<Row[]> {
  const node = buildNode();
  await using _ = await receiver(c);
  const rows: Row[] = [];
  for (const [mode, raw, goal] of [
    ["ping", "raw", 0.15],
    ["status", "raw-status", 0.25],
  ] as const) {
    const count = 200_000;
    const candidates: Record<string, () => number[]> = {
      ours: () => numbers([BUN, join(import.meta.dir, "library.ts"), mode, `${count}`]),
      raw: () => numbers([c, raw, `${count}`]),
    };
    if (libsystemd) candidates.libsystemd = () => numbers([c, mode, `${count}`]);
    if (node) candidates.node = () => numbers(["node", join(import.meta.dir, "npm/notify.mjs"), mode, `${count}`]);
    const results = inTurn(candidates, 5);
    for (const [index, unit] of ["CPU", "latency"].entries()) {
      const of = (name: string) => median(results[name]?.map((result) => result[index] ?? Number.NaN) ?? []) / count;
      const ours = of("ours");
      rows.push({
        what: `notify(), ${mode === "ping" ? "a ping" : "a status of 60 characters"}: ${unit}`,
        figure: `${ours.toFixed(2)} us`,
        ratios: [
          ...(libsystemd ? [{ of: "libsystemd", ratio: ours / of("libsystemd"), goal }] : []),
          ...(node ? [{ of: "npm sd-notify", ratio: ours / of("node") }] : []),
          { of: "send(2)", ratio: ours / of("raw"), ...(mode === "ping" ? { goal: 1.3 } : {}) },
        ],
      });
    }
  }
  return rows;
}

async function barrierRows({ c, libsystemd }: Peers): Promise<Row[]> {
  await using _ = await receiver(c);
  const count = 10_000;
  const candidates: Record<string, () => number[]> = {};
  for (const mode of ["barrierSync", "barrier"]) {
    candidates[mode] = () => numbers([BUN, join(import.meta.dir, "library.ts"), mode, `${count}`]);
  }
  if (libsystemd) candidates.libsystemd = () => numbers([c, "barrier", `${count}`]);
  const results = inTurn(candidates, 5);
  const of = (name: string) => median(results[name]?.map(([, wall = Number.NaN]) => wall) ?? []) / count;
  return ["barrierSync", "barrier"].map((mode) => ({
    what: `${mode}(), round trip`,
    figure: `${of(mode).toFixed(1)} us`,
    ratios: libsystemd ? [{ of: "libsystemd", ratio: of(mode) / of("libsystemd"), goal: 1.2 }] : [],
  }));
}

async function stateRows(): Promise<Row[]> {
  await using _ = await receiver(join(work, "peer"));
  const count = 50_000;
  const measure = (mode: string) => () => numbers([BUN, join(import.meta.dir, "library.ts"), mode, `${count}`]);
  const results = inTurn({ saveState: measure("saveState"), rename: measure("rename") }, 5);
  const of = (name: string) => median(results[name]?.map(([, wall = Number.NaN]) => wall) ?? []) / count;
  return [
    {
      what: "saveState(), 1 kB",
      figure: `${of("saveState").toFixed(1)} us`,
      ratios: [{ of: "write and rename a file of /dev/shm", ratio: of("saveState") / of("rename") }],
    },
  ];
}

async function cliRows(): Promise<Row[]> {
  await using _ = await receiver(join(work, "peer"));
  const empty = join(work, "empty-program");
  compileEmpty(empty);
  const theirs = Bun.which("systemd-notify");
  if (!theirs) absent.push("systemd-notify");
  const calls: Record<string, string[]> = { "--ready": ["--ready"], "a status too": ["--ready", STATUS] };
  const candidates: Record<string, string[]> = { empty: [empty] };
  for (const [name, args] of Object.entries(calls)) {
    candidates[`ours ${name}`] = [BINARY, ...args];
    if (theirs) candidates[`theirs ${name}`] = [theirs, ...args];
  }
  const results = inTurnFreshly(candidates, { blocks: 5, rounds: 50 });
  const of = (name: string, index: number) => results[name]?.map((result) => result[index] ?? Number.NaN) ?? [];
  const row = (call: string, what: string, index: number, unit: string, goal?: number, emptyGoal?: number): Row => {
    const ours = of(`ours ${call}`, index);
    const peer = { of: "systemd-notify", ...compare(ours, of(`theirs ${call}`, index)), ...(goal && { goal }) };
    const floor = {
      of: "an empty program",
      ...compare(ours, of("empty", index)),
      ...(emptyGoal && { goal: emptyGoal }),
    };
    return {
      what: `sd-notify ${call === "--ready" ? call : `--ready ${STATUS}`}: ${what}`,
      figure: `${median(ours).toFixed(2)} ${unit}`,
      ratios: theirs ? [peer, floor] : [floor],
    };
  };
  return [
    row("--ready", "wall", 0, "ms", 1.05),
    row("--ready", "CPU", 1, "ms"),
    row("--ready", "peak memory", 2, "MB", undefined, 1.2),
    row("a status too", "wall", 0, "ms", 1.08),
  ];
}

async function bunxRows(): Promise<Row[]> {
  await using _ = await receiver(join(work, "peer"));
  const project = join(work, "project");
  for (const name of ["sd-notify", "empty"]) mkdirSync(join(project, "node_modules", name), { recursive: true });
  mkdirSync(join(project, "node_modules/.bin"));
  writeFileSync(join(project, "package.json"), "{}");
  for (const file of ["package.json", "dist/cli/package.json", ...["main", "command"].flatMap(bundled)]) {
    cpSync(join(ROOT, file), join(project, "node_modules/sd-notify", file));
  }
  writeFileSync(join(project, "node_modules/empty/package.json"), '{ "name": "empty", "bin": "./empty.js" }');
  writeFileSync(join(project, "node_modules/empty/empty.js"), "#!/usr/bin/env bun\n", { mode: 0o755 });
  symlinkSync("../sd-notify/dist/cli/main.js", join(project, "node_modules/.bin/sd-notify"));
  symlinkSync("../empty/empty.js", join(project, "node_modules/.bin/empty"));
  const bunx = join(work, "bunx");
  symlinkSync(BUN, bunx);
  symlinkSync(BUN, join(work, "bun"));
  const rows: Row[] = [];
  for (const [what, prefix] of [
    ["bunx", [bunx, "--no-install"]],
    ["node_modules/.bin", []],
  ] as const) {
    const command = (name: string) =>
      prefix.length > 0 ? [...prefix, name] : [join(project, "node_modules/.bin", name)];
    const options = { cwd: project, env: { ...environment(), PATH: `${work}:${process.env.PATH}` } };
    const results = inTurn(
      {
        ours: () => spawn([...command("sd-notify"), "--ready"], options),
        empty: () => spawn(command("empty"), options),
      },
      100,
    );
    const of = (name: string) => results[name]?.map(([wall = Number.NaN]) => wall) ?? [];
    rows.push({
      what: `sd-notify --ready by ${what}: wall`,
      figure: `${median(of("ours")).toFixed(1)} ms`,
      ratios: [{ of: "an empty script", ...compare(of("ours"), of("empty")), goal: 1.15 }],
    });
  }
  return rows;
}

function importRows(): Row[] {
  writeFileSync(join(work, "empty.mjs"), "export {};\n");
  const importing = (file: string) => {
    const script = join(work, `import-${file.replaceAll(/\W/g, "-")}.mjs`);
    writeFileSync(
      script,
      `const start = performance.now(); await import(${JSON.stringify(file)}); console.log(0, performance.now() - start);`,
    );
    return () => numbers([BUN, script]);
  };
  const results = inTurn(
    { ours: importing(join(ROOT, "dist/index.js")), empty: importing(join(work, "empty.mjs")) },
    60,
  );
  const of = (name: string) => results[name]?.map(([, wall = Number.NaN]) => wall) ?? [];
  // Both at once: what is more than the other module of the same round.
  const more = of("ours").map((wall, i) => wall - (of("empty")[i] ?? Number.NaN));
  return [
    {
      what: 'import "sd-notify": more than an empty module',
      figure: `${median(more).toFixed(2)} ms`,
      ratios: [
        {
          of: "1.5 ms",
          ...compare(
            more,
            more.map(() => 1.5),
          ),
          goal: 1,
        },
      ],
    },
  ];
}

async function receiverRows({ c }: Peers): Promise<Row[]> {
  const [senders, each] = [8, 25_000];
  const rate = async (start: () => Promise<AsyncDisposable & { done: Promise<number> }>) => {
    await using held = await start();
    for (let i = 0; i < senders; i++) Bun.spawn([c, "raw-status", `${each}`], { env: environment(), stdout: "ignore" });
    return ((senders * each) / (await held.done)) * 1e6;
  };
  const inC = () => receiver(c, senders * each);
  let opened = 0;
  const ours = async () => {
    const { openReceiver } = await import("sd-notify/testing");
    // In C, an abstract name is no path.
    const held = openReceiver({ address: `@sd-notify-bench-${process.pid}-ours-${++opened}` });
    notifyTo(held.address);
    const done = (async () => {
      let start = 0;
      for (let n = 0; n < senders * each; n++) {
        using message = await held.next({ timeoutMs: 20_000 });
        if (n === 0) start = message.receivedUsec;
        if (n === senders * each - 1) return message.receivedUsec - start;
      }
      return Number.NaN;
    })();
    return { done, [Symbol.asyncDispose]: async () => held[Symbol.dispose]() };
  };
  const rates: Record<string, number[]> = { ours: [], c: [] };
  for (let i = 0; i < 3; i++) {
    rates.ours?.push(await rate(ours));
    rates.c?.push(await rate(inC));
  }
  const own = median(rates.ours ?? []);
  return [
    {
      what: `openReceiver(), ${senders} senders`,
      figure: `${Math.round(own)} messages/s`,
      ratios: [{ of: "a receiver in C", ratio: own / median(rates.c ?? []), goal: 0.5, atLeast: true }],
    },
  ];
}

async function watchdogRows(): Promise<Row[]> {
  await using _ = await receiver(join(work, "peer"));
  const seconds = 60;
  const [cpu = Number.NaN] = numbers([BUN, join(import.meta.dir, "library.ts"), "watchdog", `${seconds * 1000}`], {
    env: { ...environment(), WATCHDOG_USEC: "10000000" },
  });
  const share = cpu / (seconds * 1e6);
  return [
    {
      what: `a watchdog of 10 s, idle for ${seconds} s: CPU`,
      figure: `${(share * 100).toFixed(3)} %`,
      ratios: [{ of: "0.1 %", ratio: share / 0.001, goal: 1 }],
    },
  ];
}

async function enduranceRows(): Promise<Row[]> {
  await using _ = await receiver(join(work, "peer"));
  const [cpu = Number.NaN, , rss = Number.NaN, fds = Number.NaN] = numbers([
    BUN,
    join(import.meta.dir, "library.ts"),
    "status",
    "10000000",
  ]);
  return [
    {
      what: "10 million notifications: more memory, more fds",
      figure: `${(rss / 2 ** 20).toFixed(1)} MB, ${fds} fds, ${(cpu / 1e7).toFixed(2)} us each`,
      ratios: [],
    },
  ];
}

// --- internal ---

/** The files that the build makes of one of src/cli/. */
function bundled(name: string): string[] {
  return [`dist/cli/${name}.js`, `dist/cli/${name}.js.jsc`];
}

function print(rows: Row[]): void {
  const cells = rows.map(({ what, figure, ratios }) => [
    what,
    figure,
    ratios
      .map(({ of, ratio, low, high, goal, atLeast }) => {
        const spread = low === undefined || high === undefined ? "" : ` [${low.toFixed(2)} to ${high.toFixed(2)}]`;
        if (goal === undefined) return `${ratio.toFixed(2)}${spread} of ${of}`;
        const reached = atLeast ? ratio >= goal : ratio <= goal;
        return `${ratio.toFixed(2)}${spread} of ${of} (${reached ? "reaches" : "misses"} ${atLeast ? "≥" : "≤"} ${goal})`;
      })
      .join("; "),
  ]);
  const header = ["what", "figure", "ratio"];
  const widths = header.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i]?.length ?? 0)));
  for (const row of [header, ...cells])
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    );
}
