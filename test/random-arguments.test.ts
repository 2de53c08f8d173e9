import { expect, test } from "bun:test";
import { openSync } from "node:fs";
import { notify } from "../src/index.ts";
import { ROOT } from "./support/command.ts";
import { openReceiver } from "./support/receiver.ts";

const SEED = Number(process.env.SEED ?? 20260101);
const RUNS = 1000;

/** Park and Miller's generator: the same numbers for the same seed. */
function generator(seed: number) {
  return (n: number) => {
    seed = (seed * 48271) % 0x7fffffff;
    return seed % n;
  };
}

const WORDS = [
  ...[
    "--ready",
    "--reloading",
    "--stopping",
    "--pid",
    "--booted",
    "--no-block",
    "--exec",
    "--fork",
    "-q",
    "--quiet",
    "-h",
    "--version",
  ],
  ...[
    "--read",
    "--rel",
    "--s",
    "--st=x",
    "--p=self",
    "--f",
    "--e",
    "--fd",
    "--fdname",
    "--no-b",
    "--bogus",
    "--=",
    "-qh",
    "-x",
    "-",
    "--",
    ";",
  ],
  ...["--pid=self", "--pid=parent", "--pid=1", "--pid=0", "--pid=99999999", "--pid= +1", "--pid=", "--pid=x"],
  ...[
    "--uid=nobody",
    "--uid=0",
    "--uid=nosuch",
    "--uid=12345",
    "--uid=",
    "--status=ü",
    "--status=a\nb",
    "--status=",
    "--status",
  ],
  ...["--fd=3", "--fd=4", "--fd=0", "--fd=7", "--fd=-1", "--fdname=n", "--fdname=a:b", "--fdname=\n"],
  ...[
    "A=1",
    "A=2",
    "A",
    "",
    "READY=0",
    "READY",
    "B=ü 🎉",
    "X\nY=1",
    "=",
    "$HOME",
    "true",
    "false",
    "nosuch-program",
    "\uFFFD",
  ],
];

/** A byte string that is no UTF-8, for a shell's printf. */
const BYTES = ["a\\377", "STATUS=\\200\\201", "--status=\\376", "\\303"];

test(`${RUNS} random argument lists: no crash, no stack, no message where the exit status says that none was sent`, async () => {
  await using receiver = await openReceiver();
  const random = generator(SEED);
  const counts = { sent: 0, refused: 0, other: 0 };
  const [one, two] = [openSync("/dev/null", "r"), openSync("/etc/passwd", "r")];
  for (let run = 0; run < RUNS; run++) {
    const args = Array.from({ length: random(6) }, () => WORDS[random(WORDS.length)] as string);
    const command = [`${ROOT}dist/sd-notify`, ...args];
    const bytes = random(8) === 0 ? `"$(printf '${BYTES[random(BYTES.length)]}')"` : "";
    const child = Bun.spawn(bytes ? ["sh", "-c", `exec "$@" ${bytes}`, "sh", ...command] : command, {
      env: { PATH: process.env.PATH ?? "", NOTIFY_SOCKET: receiver.address },
      stdio: ["ignore", "pipe", "pipe", ...(random(3) === 0 ? [] : [one, two])] as never,
    });
    const stderr = await (child.stderr as unknown as ReadableStream<Uint8Array>).text();
    const code = await child.exited;
    notify({ extra: { X_RUN: run } }, { socket: receiver.address });
    const messages: string[] = [];
    for (let text = ""; text !== `X_RUN=${run}`; messages.push(text)) text = (await receiver.next()).text;
    const sent = messages.slice(0, -1).filter((text) => text !== "BARRIER=1");

    // What --exec or --fork started may say and return what it likes; nothing here does more than to fail.
    const context = { run, args, bytes, code, stderr, sent };
    if (child.signalCode !== null) expect(context).toBe("ended by itself" as never);
    for (const line of stderr.split("\n").slice(0, -1)) {
      if (!/^(sd-notify: |Y=1$)/.test(line) && !/^(sh|cat|true|false): /.test(line))
        expect(context).toBe("one line of complaint" as never);
    }
    if (/\bat .*:\d+:\d+|panic|Segmentation/.test(stderr)) expect(context).toBe("no stack" as never);
    if (sent.length > 1) expect(context).toBe("at most one message" as never);
    // A program that --exec can't execute fails after the message.
    const refused = code === 1 && !stderr.includes("execve");
    const executed = args.some((arg) => arg.startsWith("--e")) && sent.length === 1;
    if (refused && !executed && sent.length > 0) expect(context).toBe("no message" as never);
    counts[sent.length === 1 ? "sent" : code === 0 ? "other" : "refused"]++;
  }
  // The lists reach each kind of end.
  expect(counts.sent).toBeGreaterThan(RUNS / 20);
  expect(counts.refused).toBeGreaterThan(RUNS / 20);
  expect(counts.other).toBeGreaterThan(RUNS / 20);
}, 60_000);
