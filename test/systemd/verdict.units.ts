import { expect, test } from "bun:test";
import type { Unit } from "../../src/tools/doctor/facts.ts";
import { explainLine } from "../../src/tools/doctor/journal.ts";
import { judge } from "../../src/verdict/judge.ts";
import type { MessageFacts, UnitFacts } from "../../src/verdict/types.ts";
import { describeMany, type Section, UNPRIVILEGED } from "./machine.ts";

interface Case {
  /** The arguments of the command, in a shell. */
  send: string;
  /** The same as a message. */
  text: string;
  section?: Section;
  facts?: UnitFacts;
  message?: Partial<MessageFacts>;
  /** What PID 1 says of what it ignores; undefined: nothing. */
  says?: RegExp;
  /** The version of systemd that knows it. */
  since?: number;
}

const member = { pid: 2, uid: 0, role: "member" } as const;
const CASES: Case[] = [
  { send: "READY=1", text: "READY=1" },
  { send: "STATUS=x", text: "STATUS=x" },
  { send: "WATCHDOG=1", text: "WATCHDOG=1" },
  { send: "WATCHDOG_USEC=5000000", text: "WATCHDOG_USEC=5000000" },
  { send: "WATCHDOG_USEC=soon", text: "WATCHDOG_USEC=soon", says: /Failed to parse WATCHDOG_USEC/ },
  { send: "EXTEND_TIMEOUT_USEC=soon", text: "EXTEND_TIMEOUT_USEC=soon", says: /Failed to parse EXTEND_TIMEOUT_USEC/ },
  { send: "ERRNO=4095", text: "ERRNO=4095" },
  { send: "ERRNO=4096", text: "ERRNO=4096", says: /Failed to parse ERRNO|ERRNO= value/ },
  { send: "NOTIFYACCESS=some", text: "NOTIFYACCESS=some", says: /Failed to parse NOTIFYACCESS/, since: 254 },
  { send: "MAINPID=none", text: "MAINPID=none", says: /Failed to parse MAINPID/ },
  {
    send: 'MAINPID="$(cd /proc; grep -l systemd-journal [0-9]*/comm | cut -d/ -f1)"',
    text: "MAINPID=77",
    section: UNPRIVILEGED,
    message: { mainPidRole: "stranger" },
    says: /New main PID \d+ does not belong to service/,
  },
  {
    send: `MAINPID="$(sh -c 'sleep 0 & echo $!; exec sleep 1000 >/dev/null' & sleep 0.5)"`,
    text: "MAINPID=77",
    message: { mainPidRole: "zombie" },
    says: /New main PID \d+ does not exist or is a zombie/,
  },
  {
    send: 'MAINPID="$(sleep 1000 >/dev/null & echo $!)" MAINPIDFDID=4',
    text: "MAINPID=77\nMAINPIDFDID=4",
    message: { mainPidRole: "other" },
    says: /mismatches with received MAINPIDFDID=4/,
    since: 262,
  },
  { send: "MAINPID=1", text: "MAINPID=1", says: /New main PID 1 is the manager/ },
  { send: "BARRIER=1 READY=1", text: "BARRIER=1\nREADY=1", says: /Extra notification messages sent with BARRIER=1/ },
  { send: "BARRIER=1", text: "BARRIER=1", says: /incorrect number of fds with BARRIER=1/ },
  {
    send: "--pid=self STATUS=x",
    text: "STATUS=x",
    section: { NotifyAccess: "main" },
    facts: { notifyAccess: "main" },
    message: { sender: member },
    says: /reception only permitted for main PID/,
  },
  {
    send: "--pid=self STATUS=x",
    text: "STATUS=x",
    section: { NotifyAccess: "exec" },
    facts: { notifyAccess: "exec" },
    message: { sender: member },
    says: /reception only permitted for (main PID|control)/,
  },
  { send: `STATUS=${"x".repeat(4096)}`, text: `STATUS=${"x".repeat(4096)}`, says: /exceed|truncated/ },
  {
    send: "RELOADING=1",
    text: "RELOADING=1",
    section: { Type: "notify" },
    facts: { type: "notify" },
  },
];

describeMany("verdicts", (machine) => {
  const cases = CASES.filter(({ since = 0 }) => machine.version >= since);
  test.each(cases.map((one) => [`${one.send.slice(0, 40)} ${JSON.stringify(one.facts ?? {})}`, one] as const))(
    "%s: PID 1 says what judge() says, and the doctor knows its words",
    async (_, { send, text, section, facts, message, says }) => {
      using unit = await machine.shell({ NotifyAccess: "all", TimeoutStartSec: 20, ...section });
      await unit.start("--no-block");
      unit.tell(`"$N" ${send}; "$N" --ready --status=over`);
      await unit.until({ StatusText: "over" });
      const journal = (await unit.journal()) + (await machine.journal());
      const own = {
        bytes: Buffer.from(text),
        fdCount: 0,
        sender: { pid: 2, uid: 1, role: "main" } as const,
        ...message,
      };
      const { problems } = judge(own, { type: "notify", notifyAccess: "all", ...facts });
      expect(problems.length > 0).toBe(says !== undefined);
      const said = (says ?? /refusing|Failed to parse|reception/).exec(says ? journal : await unit.journal());
      expect(said !== null).toBe(says !== undefined);
      if (!says) return;
      const lines = journal.split("\n").filter((line) => says.test(line));
      const explained = lines.filter((line) => explainLine(line, { fdStoreMax: 0, controlPid: 0 } as Unit));
      expect({ lines: lines.slice(0, 3), explained: explained.length > 0 }).toMatchObject({ explained: true });
    },
  );
});
