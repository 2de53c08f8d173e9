/** A recording of the monitor, and the page that is made of it: whatever stands in the one, the other has no markup of it. */

import type { MonitorEvent } from "../../../src/tools/monitor/events.ts";
import { parseEvent } from "../../../src/tools/monitor/parse-event.ts";
import { page } from "../../../src/tools/monitor/report/page.ts";
import { Recording } from "../../../src/tools/monitor/report/recording.ts";
import type { Random } from "../random.ts";
import { assert, errorOf, type Target } from "../target.ts";

/** Lines of NDJSON. */
export const report: Target<string[]> = {
  make(random) {
    return random.list(12, () => {
      const line = JSON.stringify(makeEvent(random));
      return random.once(6) ? random.mutate(line) : line;
    });
  },
  open() {
    return {
      check(lines) {
        const recording = new Recording();
        for (const line of lines) {
          let event: MonitorEvent | undefined;
          errorOf(() => {
            event = parseEvent(line);
          }, TypeError);
          if (event) recording.add(event);
        }
        recording.flush();
        const text = page(recording);
        const tags = text.match(/<[^>]*/g) ?? [];
        assert(
          tags.every((tag) => TAG.test(tag)),
          "a tag is not the page's",
          tags.find((tag) => !TAG.test(tag)),
        );
        assert(tags.filter((tag) => tag === "<script").length === 1, "a script is not the page's", lines);
        assert(!/[^\P{Cc}\n\t]|\p{Bidi_Control}/u.test(text), "what is not printable is in the page", lines);
      },
    };
  },
};

// --- internal ---

const NAMES =
  "a|b|body|circle|code|dd|div|dl|dt|footer|h1|h2|head|header|html|i|li|line|link|main|meta|ol|p|path|pre|rect|script|section|span|strong|style|svg|text|time|title|ul";

/** Of a tag whose attributes are the page's. */
const TAG = new RegExp(`^<(?:!doctype html|/(?:${NAMES})|(?:${NAMES})(?: [A-Za-z-]+[0-9]?(?:="[^"]*")?)*/?)$`);

const WORDS = ["</script>", "<script>", '"', "'", "<!--", "--><b", "onload=x", "&", "&lt;", "]]>", "javascript:", "`"];
const PHASES = ["activating", "active", "reloading", "deactivating", "inactive", "failed"];
const ROLES = ["main", "control", "member", "stranger", "gone"];

function makeEvent(random: Random): Record<string, unknown> {
  const text = () => (random.once(2) ? random.pick(WORDS) : random.text());
  const number = () => (random.once(20) ? text() : random.number());
  const sender = () => ({ pid: number(), uid: number(), role: random.pick(ROLES), name: text() });
  const problem = () => ({ what: text(), why: text(), ...(random.once(2) && { cure: text() }) });
  const verdict = () => ({ effects: random.list(3, text), problems: random.list(15, problem) });
  const ping = () => ({ afterUsec: number(), timeoutUsec: number(), late: random.once(2) });
  const span = () => ({ phase: random.pick(PHASES), startUsec: number(), durationUsec: number() });
  const fd = () => ({ name: text(), kind: random.once(2) ? "socket" : text(), family: text(), type: text() });
  const timeUsec = number();
  switch (random.below(9)) {
    case 0:
      return {
        event: "started",
        timeUsec,
        pid: number(),
        command: random.list(4, text),
        socket: text(),
        fds: [text()],
      };
    case 1:
      return { event: "barrier", timeUsec, sender: sender(), answeredUsec: number(), verdict: verdict() };
    case 2:
      return { event: "phase", timeUsec, from: random.pick(PHASES), to: random.pick(PHASES), why: text() };
    case 3:
      return { event: "watchdog", timeUsec, timeoutUsec: number() };
    case 4:
      return { event: "signal", timeUsec, signal: text(), pids: random.list(4, number), why: text() };
    case 5:
      return { event: "exit", timeUsec, pid: number(), code: random.once(2) ? null : number(), signal: text() };
    case 6:
      return {
        event: "end",
        timeUsec,
        timeline: random.list(6, span),
        messages: 1,
        ignored: 0,
        status: 0,
        why: text(),
      };
    default: {
      const fds = random.list(3, fd);
      const isPing = random.once(2);
      const said = isPing ? "WATCHDOG=1" : random.list(5, text).join("\n");
      const common = { event: "message", timeUsec, sender: sender(), text: said, receivedUsec: number(), fds };
      return {
        ...common,
        verdict: isPing ? { effects: [], problems: [] } : verdict(),
        ...(isPing && { ping: ping() }),
      };
    }
  }
}
