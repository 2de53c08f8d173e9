/**
 * Makes the README's pictures of real runs: docs/pictures/*.svg. Each is the screen of a terminal.
 *
 *     bun tour/pictures.ts [monitor] [doctor]
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, ROOT, run, temporaryDirectory } from "../test/support/command.ts";
import { openTmux } from "../test/support/terminal.ts";
import { beside, boot, whyNot } from "../test/systemd/boot.ts";
import { terminalPicture } from "./terminal-picture.ts";

const COLUMNS = 92;

/** The script of both pictures: it starts the server, and stays its parent. */
const START = (bun: string, server: string) => `#!/bin/sh\n${bun} ${server}\necho "the server has ended"\n`;

const PICTURES = { monitor, doctor };

/** The monitor on a server that nobody hears. */
async function monitor(): Promise<void> {
  using directory = temporaryDirectory();
  writeFileSync(`${directory.path}/start.sh`, START("exec 2>&1; bun", `${ROOT}examples/server.ts`), { mode: 0o755 });
  await take({
    name: "monitor",
    title: "sd-notify monitor shows that a server's READY=1 is ignored because a shell started it, and the cure",
    directory: directory.path,
    shown: "sd-notify monitor -- ./start.sh",
    command: `cd ${directory.path}; PATH=${ROOT}node_modules/.bin:$PATH ${ROOT}dist/sd-notify monitor -- ./start.sh`,
    until: /cure[\s\S]*1 ignored/,
    rows: 15,
  });
}

/** The doctor on a unit that is stuck for the same reason. */
async function doctor(): Promise<void> {
  const why = whyNot("sid");
  if (why !== undefined) {
    console.error(`docs/pictures/doctor.svg stays as it is: no systemd can be booted here: ${why}`);
    return;
  }
  await using machine = await boot("sid");
  const { booted } = machine;
  const root = `/proc/${booted.pid}/root`;
  const { checkout } = booted;
  mkdirSync(`${root}/run/app`, { recursive: true });
  const script = START(`${checkout}/node_modules/.bin/bun`, `${checkout}/examples/server.ts`);
  writeFileSync(`${root}/run/app/start.sh`, script, { mode: 0o755 });
  const unit = "[Service]\nType=notify\nExecStart=/run/app/start.sh\n";
  writeFileSync(`${root}/run/systemd/system/app.service`, unit);
  const inside = beside(booted);
  await run([...inside, "systemctl", "daemon-reload"]);
  await run([...inside, "systemctl", "start", "--no-block", "app"]);
  // Wait until the journal shows that PID 1 has refused its message.
  for (const deadline = performance.now() + 20_000; ; await Bun.sleep(100)) {
    const { stdout } = await run([...inside, "journalctl", "-u", "app", "--no-pager", "-o", "cat"]);
    if (/Got notification message/.test(stdout)) break;
    if (performance.now() > deadline) throw new Error(`PID 1 has refused nothing: ${stdout}`);
  }
  using directory = temporaryDirectory();
  await take({
    name: "doctor",
    title: "sd-notify doctor tells why a unit stays in activating, and which line cures it",
    directory: directory.path,
    shown: "sd-notify doctor app",
    command: `${[...inside, `${checkout}/dist/sd-notify`, "doctor", "app"].join(" ")}`,
    until: /The end/,
    rows: 60,
    // The minimal unit that the doctor suggests is long.
    end: /\s*[^\n]*# A minimal unit[\s\S]*$|\s*The end[\s\S]*$/,
  });
}

// --- internal ---

interface Take {
  name: string;
  title: string;
  /** Of tmux's socket. */
  directory: string;
  /** The command as a reader would type it, and as it is run here. */
  shown: string;
  command: string;
  /** What the screen must show. */
  until: RegExp;
  rows: number;
  /** The part that is left out at the end. */
  end?: RegExp;
}

async function take({ name, title, directory, shown, command, until, rows, end = /$^/ }: Take): Promise<void> {
  const tmux = openTmux(directory);
  try {
    // The end is marked outside of the picture.
    const script = `printf '\\033[1m$ %s\\033[0m\\n' '${shown}'; ${command}; printf '\\n\\n\\n\\nThe end'; cat`;
    const terminal = await tmux.open(script, COLUMNS, rows);
    await terminal.until(until);
    const screen = await terminal.until(until, true);
    const svg = terminalPicture({ screen: screen.replace(end, ""), title, columns: COLUMNS });
    const path = join(ROOT, "docs/pictures", `${name}.svg`);
    await Bun.write(path, svg);
    console.log(`docs/pictures/${name}.svg: ${svg.length} bytes`);
  } finally {
    await tmux.close();
  }
}

// --- main ---

const wanted = process.argv.slice(2);
const lacks = missing("tmux");
if (lacks) {
  console.error(`docs/pictures stay as they are: ${lacks}`);
} else {
  for (const [name, make] of Object.entries(PICTURES)) if (wanted.length === 0 || wanted.includes(name)) await make();
}
