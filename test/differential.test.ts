import { describe, expect, test } from "bun:test";
import { isRoot, ROOT, run, titled } from "./support/command.ts";
import { openReceiver } from "./support/receiver.ts";

/** The command to compare with: the one that is installed, or another one. */
const REFERENCE = process.env.SYSTEMD_NOTIFY ?? Bun.which("systemd-notify") ?? "";
const VERSION =
  REFERENCE === "" ? 0 : Number(/^systemd (\d+)/.exec((await run([REFERENCE, "--version"])).stdout)?.[1] ?? 0);
const skipped = VERSION === 0 ? "no systemd-notify here" : !isRoot && "not root: the sender differs";

/** Inputs, and the version of systemd that has all they use. */
const CASES: [since: number, args: string[]][] = [
  [233, ["--ready"]],
  [233, ["--ready", "--status=Listening on :3000"]],
  [233, ["--status", "--ready"]],
  [233, ["--status="]],
  [233, ["--status=größe ✓ 日本語 🎉", "--ready"]],
  [233, ["A=1", "--ready", "B=2"]],
  [233, ["--ready", "A=1", "A=2"]],
  [233, ["--status=a", "STATUS=b"]],
  [233, ["--", "--ready"]],
  [233, ["--ready", "--", "--status=x"]],
  [233, ["A=1\nB=2"]],
  [233, ["A=a b", "X_Y=$HOME `x`"]],
  [246, ["--no-block", "--ready"]],
  [233, ["--pid=self"]],
  [233, ["--pid=1"]],
  [233, ["--uid=nobody", "--ready"]],
  [233, ["--uid=nosuchuser", "--ready"]],
  [233, ["--read"]],
  [253, ["--st=x"]],
  [233, ["--bogus"]],
  [233, ["-x"]],
  [233, ["--status"]],
  [233, ["--ready=1"]],
  [233, ["--pid=abc"]],
  [233, ["--pid=99999999999999"]],
  [233, []],
  [233, ["--"]],
  [233, ["--no-block"]],
  [253, ["--reloading", "--ready"]],
  [253, ["--stopping", "--reloading"]],
  [254, ["--fd=0", "--fdname=x", "--ready"]],
  [254, ["--fd=9"]],
  [254, ["--exec", "--ready", ";", "--", "echo", "hi"]],
  [254, ["--exec", "A=1", ";", "sh", "--", "-c", "exit 7"]],
  [254, ["--exec", "--ready"]],
  [254, ["--fdname=x", "--ready"]],
  [258, ["--fork", "-q", "--", "true"]],
  [258, ["--fork", "-q", "--", "sh", "-c", "exit 3"]],
  [258, ["--fork", "-q", "--", "nosuch-program"]],
];

interface Observation {
  failed: boolean;
  /** Only where it is the started program's. */
  code: number | null | undefined;
  stdout: string;
  complaint: boolean;
  messages: string[];
}

/** What is known to differ: what `until` did not do yet, as a change to what we do. */
const KNOWN: { until: number; why: string; adjust(ours: Observation, theirs: Observation): void }[] = [
  {
    until: 254,
    why: "the barrier came from the command itself, whoever the message was from",
    adjust(ours) {
      ours.messages = ours.messages.map((message) => message.replace(/^(BARRIER=1 from) \S+/, "$1 self"));
    },
  },
  {
    until: 262,
    why: "without anything to send, the help went to standard output",
    adjust(ours, theirs) {
      if (!ours.failed || !theirs.stdout.startsWith("systemd-notify [OPTIONS...]")) return;
      ours.stdout = theirs.stdout;
      ours.complaint = false;
    },
  },
];

describe.skipIf(Boolean(skipped))(titled(`beside systemd-notify ${VERSION}`, skipped), () => {
  const cases = CASES.filter(([since]) => VERSION >= since).map(([, args]) => [args] as const);

  test.each(cases)("%j does the same", async (args) => {
    const results: Observation[] = [];
    for (const command of [`${ROOT}dist/sd-notify`, REFERENCE]) {
      await using receiver = await openReceiver();
      const { code, stdout, stderr, pid } = await run([command, ...args], { env: { NOTIFY_SOCKET: receiver.address } });
      const messages: string[] = [];
      const end = run([`${ROOT}dist/sd-notify`, "--no-block", "X_END=1"], { env: { NOTIFY_SOCKET: receiver.address } });
      for (;;) {
        const { text, pid: sender, uid, gid, fds } = await receiver.next();
        if (text === "X_END=1") break;
        // By-products of systemd's main(), which nobody asked for.
        if (/^(EXIT_STATUS|ERRNO)=/.test(text)) continue;
        const same = text.replace(`MAINPID=${pid}`, "MAINPID=self").replace(/MONOTONIC_USEC=\d+/, "MONOTONIC_USEC=now");
        // Since systemd 257.
        const comparable =
          VERSION < 257 ? same.replace(/\nMAINPIDFDID=\d+/, "") : same.replace(/MAINPIDFDID=\d+/, "MAINPIDFDID=x");
        messages.push(`${comparable} from ${sender === pid ? "self" : sender} ${uid} ${gid} with ${fds.length} fds`);
      }
      await end;
      results.push({
        failed: code !== 0,
        code: args.includes("--exec") || args.includes("--fork") ? code : undefined,
        stdout,
        complaint: stderr !== "",
        messages,
      });
    }
    const [ours, theirs] = results as [Observation, Observation];
    for (const { until, adjust } of KNOWN) if (VERSION < until) adjust(ours, theirs);
    expect(ours).toEqual(theirs);
  });
});
