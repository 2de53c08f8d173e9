/**
 * Servers on a passed socket, by serve() and by register, beside the same programs on their own port, and nginx.
 * Both are measured as a unit has them: register notifies a receiver.
 */

import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  absent,
  BUN,
  compare,
  environment,
  inTurn,
  median,
  numbers,
  type Peers,
  type Row,
  receiver,
  work,
} from "./measure.ts";

export async function serverRows({ c }: Peers): Promise<Row[]> {
  await using _ = await receiver(c);
  buildLoad();
  // By its name, as whoever installs it has it: from the source, serve() would be compiled at each start.
  mkdirSync(join(work, "node_modules"), { recursive: true });
  symlinkSync(ROOT, join(work, "node_modules/sd-notify"));
  cpSync(join(import.meta.dir, "serve.ts"), SERVE);

  await using nginx = await startNginx();
  const plain = { passed: [SERVE, "serve"], own: [SERVE, "itself"] };
  const rows = [await loadRow("serve()", "Bun.serve() on its own port", plain, nginx)];
  for (const name of ["bun-serve", "hono", "elysia", "fastify", "express"]) {
    if (name !== "bun-serve" && !existsSync(join(FRAMEWORKS, "node_modules", name))) {
      absent.push(`${name}: npm run test:frameworks installs it`);
      continue;
    }
    const program = join(FRAMEWORKS, `programs/${name}.js`);
    const commands = { passed: ["--preload", REGISTER, program], own: [program] };
    rows.push(await loadRow(`register, ${name}`, "itself on its own port", commands, nginx));
  }
  return [...rows, ...(await adoptionRows()), registerRow()];
}

// --- internal ---

const ROOT = join(import.meta.dir, "..");
const FRAMEWORKS = join(ROOT, "test/frameworks");
const REGISTER = join(ROOT, "dist/register.js");
const SERVE = join(work, "serve.ts");
const LOAD = join(work, "load");
const CONNECTIONS = 32;

/** How long each measurement is to take. */
const SECONDS = 0.6;

interface Server extends AsyncDisposable {
  port: number;
  /** What it has printed first. */
  line: string;
}

type Way = "passed" | "own";

/** Several processes of each: what the JIT makes of a program differs from one to the next. */
async function loadRow(
  what: string,
  of: string,
  commands: Record<Way, string[]>,
  nginx: Server | undefined,
): Promise<Row> {
  const rates: Record<string, number[]> = { passed: [], own: [], nginx: [] };
  for (let block = 0; block < 3; block++) {
    await using passed = await startProgram("passed", commands.passed);
    await using own = await startProgram("own", commands.own);
    const candidates: Record<string, () => number[]> = {};
    for (const [name, server] of Object.entries({ passed, own, nginx })) {
      if (server === undefined) continue;
      // What the JIT has to learn is not what a server pays.
      const rate = load(server.port, 40_000);
      const requests = Math.max(1000, Math.round(rate * SECONDS));
      candidates[name] = () => [load(server.port, requests)];
    }
    for (const [name, results] of Object.entries(inTurn(candidates, 3))) rates[name]?.push(...results.flat());
  }
  const { passed = [], own = [] } = rates;
  return {
    what: `${what} on a passed socket, ${CONNECTIONS} connections`,
    figure: `${Math.round(median(passed)).toLocaleString("en")} requests/s`,
    ratios: [
      { of, ...compare(passed, own), goal: 0.95, atLeast: true },
      ...(nginx ? [{ of: "nginx, one process", ...compare(passed, rates.nginx ?? []) }] : []),
    ],
  };
}

/** What it costs to take a passed socket, at the start. */
async function adoptionRows(): Promise<Row[]> {
  const ways = {
    own: ["own", [SERVE, "itself"]],
    serve: ["passed", [SERVE, "serve"]],
    register: ["passed", ["--preload", REGISTER, SERVE, "itself"]],
  } as const;
  const calls: Record<keyof typeof ways, number[]> = { own: [], serve: [], register: [] };
  const starts: typeof calls = { own: [], serve: [], register: [] };
  for (let i = 0; i < 20; i++) {
    for (const name of ["own", "serve", "register"] as const) {
      const [way, command] = ways[name];
      await using server = await startProgram(way, command);
      const [, call = Number.NaN, start = Number.NaN] = server.line.split(" ").map(Number);
      calls[name].push(call);
      starts[name].push(start);
    }
  }
  return (["serve", "register"] as const).map((name) => {
    const more = (values: typeof calls) => (median(values[name]) - median(values.own)).toFixed(1);
    return {
      what: `${name === "serve" ? "serve()" : name} on a passed socket, until it listens`,
      figure: `${more(calls)} ms more than Bun.serve(); ${more(starts)} ms with what is loaded before`,
      ratios: [],
    };
  });
}

/** What the preload costs without a service manager. */
function registerRow(): Row {
  const [empty, program] = [join(work, "empty.js"), join(work, "program.js")];
  for (const file of [empty, program]) writeFileSync(file, "");
  const { NOTIFY_SOCKET: _, ...env } = environment();
  const start = (preload: string) => () => {
    const begin = performance.now();
    Bun.spawnSync([BUN, "--preload", preload, program], { env });
    return [performance.now() - begin];
  };
  const results = inTurn({ register: start(REGISTER), empty: start(empty) }, 60);
  const of = (name: string) => results[name]?.flat() ?? [];
  const more = of("register").map((ms, i) => ms - (of("empty")[i] ?? Number.NaN));
  return {
    what: "register without a service manager, at the start",
    figure: `${median(more).toFixed(2)} ms more than an empty preload`,
    ratios: [],
  };
}

function buildLoad(): void {
  if (Bun.spawnSync(["cc", "-O2", "-o", LOAD, join(import.meta.dir, "load.c")]).exitCode !== 0) {
    throw new Error("bench/load.c does not compile");
  }
}

/** Requests per second. */
function load(port: number, requests: number): number {
  const [perSecond = Number.NaN] = numbers([LOAD, `${port}`, `${requests}`, `${CONNECTIONS}`]);
  return perSecond;
}

/** Starts a program of Bun's, on a socket that it is passed, or on its own port. */
async function startProgram(way: Way, command: readonly string[]): Promise<Server> {
  const listener = listen();
  const env = { ...environment(), PORT: `${listener.port}` };
  const passed = { ...env, LISTEN_FDS: "1", LISTEN_FDNAMES: "http" };
  const { fd } = listener as unknown as { fd: number };
  // Its own port is free once the socket is closed.
  if (way === "own") listener.stop();
  const child = Bun.spawn(["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", BUN, ...command], {
    env: way === "passed" ? passed : env,
    cwd: work,
    stdio: ["ignore", "pipe", "inherit", ...(way === "passed" ? [fd] : [])] as never,
  });
  // Not a turn of the event loop has passed: every connection is the child's.
  if (way === "passed") listener.stop();
  return started(child, command.includes(SERVE) ? undefined : listener.port);
}

/** One process, as a server of Bun's is. */
async function startNginx(): Promise<Server | undefined> {
  const program = Bun.which("nginx", { PATH: `${process.env.PATH}:/usr/sbin` });
  if (program === null) {
    absent.push("nginx (Debian: nginx-light)");
    return undefined;
  }
  const listener = listen();
  const { port } = listener;
  listener.stop();
  const file = join(work, "nginx.conf");
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${work}/${name};`,
  );
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${work}/nginx.pid; error_log stderr; events {}
     http {
       access_log off; keepalive_requests 1000000000; default_type text/plain; ${places.join(" ")}
       server { listen 127.0.0.1:${port}; location / { return 200 "ok"; } }
     }\n`,
  );
  const command = [program, "-e", "stderr", "-p", work, "-c", file];
  return started(Bun.spawn(command, { stdio: ["ignore", "pipe", "inherit"] }), port);
}

/** Waits until it answers on its port, or, if it prints that, for its first line. */
async function started(child: Bun.Subprocess<"ignore", "pipe", "inherit">, port: number | undefined): Promise<Server> {
  let line = "";
  if (port === undefined) {
    const { value } = await child.stdout.getReader().read();
    line = new TextDecoder().decode(value).trim();
  } else {
    while (!(await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined))?.ok) {
      if (child.exitCode !== null) throw new Error(`a server ended with ${child.exitCode}`);
      await Bun.sleep(20);
    }
  }
  return {
    port: port ?? Number(line.split(" ")[0]),
    line,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

function listen(): Bun.TCPSocketListener<undefined> {
  return Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } });
}
