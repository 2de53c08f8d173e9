/**
 * npm start: a tour of what the library and the monitor do, on real processes. On a terminal the server then
 * stays, for the reader to try; without one the tour ends by itself.
 *
 *     bun tour/main.ts
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { styleText } from "node:util";
import { descendants } from "../src/tools/unit/processes.ts";

const ROOT = join(import.meta.dir, "..");

async function tour(): Promise<void> {
  const site = startSite();
  say(styleText("bold", "sd-notify: what systemd hears from a server, and what it ignores"));
  say("This tour takes 10 seconds. Its servers, messages and signals are real; no systemd is needed.\n");

  heading("1. A Bun server becomes ready, is pinged, reloads, and stops in order");
  await wholeLife(site);

  heading("2. The same server, but a shell script starts it: nobody hears it");
  command("cat", "tour/unheard.sh");
  say(await Bun.file(`${ROOT}/tour/unheard.sh`).text());
  await expectStatus(4, monitor(site, ["--until=ready", "--timeout=2", "--", "tour/unheard.sh"]));
  await note("Reason: the shell is the main process, and by default systemd listens to nobody else.");
  await note('Cure:   NotifyAccess=all in the unit, as the monitor says. Or "exec bun …" in the script.\n');

  heading("3. With the cure, the script's server is heard");
  await expectStatus(0, monitor(site, ["--notify-access=all", "--until=ready", "--", "tour/unheard.sh"]));
  say();

  if (process.stdin.isTTY && process.stdout.isTTY) await stay(site);
  else say("That was the tour. On a terminal, npm start goes on with a server for you to try.");
}

// --- internal ---

/** Where the server listens, and the file that it reads at each reload. */
interface Site {
  url: string;
  configuration: string;
  env: Record<string, string | undefined>;
}

/** 128 + SIGQUIT: the monitor's status too. */
const QUIT_STATUS = 131;

/** How long the monitor takes to tell of something. */
const SETTLE_MS = 100;

/** The monitors that run. */
const running = new Set<Bun.Subprocess>();

function startSite(): Site {
  const directory = mkdtempSync(join(tmpdir(), "sd-notify-tour-"));
  const configuration = join(directory, "server.json");
  process.once("exit", () => rmSync(directory, { recursive: true }));
  const port = freePort();
  return {
    url: `http://localhost:${port}/`,
    configuration,
    env: { ...process.env, PORT: `${port}`, CONFIGURATION: configuration },
  };
}

function freePort(): number {
  const listener = Bun.listen({ hostname: "localhost", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop();
  return port;
}

async function wholeLife(site: Site): Promise<void> {
  await greet(site, "Hello");
  const child = monitor(site, ["--type=notify-reload", "--watchdog=2", "--", "bun", "examples/server.ts"]);
  await until("the server answers", async () => (await ask(site)) === "Hello");
  await note(`curl ${site.url} says "Hello"`);
  // The watchdog's time is 2 s, and the server pings after half of that.
  await Bun.sleep(2500);
  await greet(site, "Hello again");
  await note('its configuration has changed to "Hello again"; SIGHUP has it reload');
  for (const { pid, name } of descendants(child.pid)) if (name === "bun") process.kill(pid, "SIGHUP");
  await until("the server has reloaded", async () => (await ask(site)) === "Hello again");
  await note(`curl ${site.url} says "Hello again"`);
  await note("a request that takes a second is under way, and SIGTERM comes");
  const slow = ask(site, "?ms=1000");
  await Bun.sleep(200);
  child.kill("SIGTERM");
  await note(`the request was answered: "${await slow}"`);
  await expectStatus(0, child);
  say();
}

async function stay(site: Site): Promise<void> {
  await greet(site, "Hello");
  heading("4. Your turn: the server runs until you press q");
  say("In another terminal:");
  say(`  curl ${site.url}\n    a request: the status counts it`);
  say(`  curl '${site.url}?ms=5000'\n    a slow one: press q meanwhile, and it is answered first`);
  say(`  edit ${site.configuration}\n    the greeting: press r, and the server reads it again\n`);
  const options = ["--type=notify-reload", "--watchdog=10"];
  const status = await monitor(site, [...options, "--", "bun", "examples/server.ts"], "inherit").exited;
  // Ctrl-\ is a key of the monitor there.
  if (status === QUIT_STATUS) await leave(status);
}

/** Starts it, with the same output as this program. */
function monitor({ env }: Site, args: string[], stdin: "inherit" | "ignore" = "ignore"): Bun.Subprocess {
  command("dist/sd-notify", "monitor", ...args);
  const child = Bun.spawn([`${ROOT}/dist/sd-notify`, "monitor", ...args], {
    cwd: ROOT,
    env,
    stdio: [stdin, "inherit", "inherit"],
  });
  running.add(child);
  child.exited.then(() => running.delete(child));
  return child;
}

async function expectStatus(expected: number, child: Bun.Subprocess): Promise<void> {
  const status = await child.exited;
  if (status !== expected) throw new Error(`the monitor ended with ${status}, not with ${expected}`);
}

async function greet({ configuration }: Site, greeting: string): Promise<void> {
  await Bun.write(configuration, `${JSON.stringify({ greeting })}\n`);
}

/** Returns what the server answers; undefined if it doesn't. */
async function ask({ url }: Site, query = ""): Promise<string | undefined> {
  try {
    return (await (await fetch(`${url}${query}`)).text()).trimEnd();
  } catch {
    return undefined;
  }
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 10_000; !(await isSo()); await Bun.sleep(50)) {
    if (performance.now() > deadline) throw new Error(`it takes more than 10 s until ${what}`);
  }
}

function heading(text: string): void {
  say(styleText(["bold", "cyan"], `── ${text}`));
}

function command(...words: string[]): void {
  say(styleText("dim", `$ ${words.join(" ")}`));
}

/** Prints what the tour itself does in the meantime, or has seen. */
async function note(text: string): Promise<void> {
  // The monitor's lines about it come first.
  await Bun.sleep(SETTLE_MS);
  say(styleText("magenta", `▸ ${text}`));
}

function say(text = ""): void {
  const { isTTY, columns } = process.stdout;
  process.stdout.write(`${isTTY ? Bun.wrapAnsi(text, columns, { trim: false }) : text}\n`);
}

/** Ends at once, and leaves no server behind. */
async function leave(status: number): Promise<never> {
  for (const child of running) child.kill("SIGTERM");
  await Promise.all([...running].map(({ exited }) => exited));
  process.exit(status);
}

// --- main ---

process.on("SIGINT", () => leave(130));
process.on("SIGTERM", () => leave(143));
process.on("SIGHUP", () => leave(129));
process.on("SIGQUIT", () => leave(QUIT_STATUS));
// Nobody reads any more.
process.stdout.on("error", () => leave(1));
try {
  await tour();
} catch (error) {
  process.stderr.write(`sd-notify: the tour has failed: ${(error as Error).message}\n`);
  await leave(1);
}
