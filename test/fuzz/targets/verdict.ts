/** judge(): it has a sentence for any message, always the same, and not many of them. */

import { decode } from "../../../src/protocol/decode.ts";
import { judge } from "../../../src/verdict/judge.ts";
import type { MessageFacts, UnitFacts } from "../../../src/verdict/types.ts";
import type { Random } from "../random.ts";
import { assert, assertEqual, type Target } from "../target.ts";
import { messageText } from "../texts.ts";

interface Input {
  message: MessageFacts;
  unit: UnitFacts;
}

export const verdict: Target<Input> = {
  make: (random) => ({ message: anyMessage(random), unit: anyUnit(random) }),
  open: () => ({ check }),
};

export const ROLES = ["main", "control", "member", "stranger", "gone"] as const;

// --- internal ---

function check({ message, unit }: Input): void {
  const [bytes, facts] = [message.bytes.slice(), { ...unit }];
  const result = judge(message, unit);
  assertEqual(judge(message, unit), result, "the same message is judged differently");
  assertEqual([message.bytes, unit], [bytes, facts], "what is judged was changed");
  checkVerdict(result, message.bytes);
  const { effects, problems, phase } = result;
  assert([undefined, "activating", "active", "reloading", "deactivating"].includes(phase), "no phase", phase);
  if (problems[0]?.what === "")
    assert(effects.length === 0 && phase === undefined, "what is ignored does something", result);
  else checkKeys(message, result);
}

/** Sentences that can be printed, and not too many. */
export function checkVerdict({ effects, problems }: ReturnType<typeof judge>, bytes: Uint8Array): void {
  assert(Array.isArray(effects) && Array.isArray(problems), "no verdict", effects, problems);
  const sentences = [...effects, ...problems.flatMap(({ what, why, cure }) => [what || "all", why, cure ?? "nothing"])];
  const text = new TextDecoder().decode(bytes);
  let length = 0;
  for (const sentence of sentences) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are meant.
    const isText = sentence.length > 0 && sentence.isWellFormed() && !/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(sentence);
    assert(isText, "no sentence to print", sentence);
    // Unless the message says so itself.
    const mistake = /undefined|NaN|Infinity|\[object/.exec(sentence)?.[0];
    assert(mistake === undefined || text.replaceAll("\\", "").includes(mistake), "no sentence", sentence);
    length += sentence.length;
  }
  assert(length <= 1000 + bytes.length * 200, "too much to say", length, bytes.length);
}

/** The keys that count are those that decode() finds. */
function checkKeys({ bytes }: MessageFacts, { problems, effects }: ReturnType<typeof judge>): void {
  const state = decode(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
  const isIgnored = (key: string) => problems.some(({ what }) => what.startsWith(`${key}=`));
  if (state.status !== undefined)
    assert(
      effects.some((effect) => effect.startsWith("the status is")) || isIgnored("STATUS"),
      "STATUS= is lost",
      problems,
      effects,
    );
  if (state.mainPid !== undefined) {
    const says = effects.includes(`process ${state.mainPid} is the main one`);
    assert(says || isIgnored("MAINPID"), "MAINPID= is lost", problems, effects);
  }
  if (state.restartReset)
    assert(effects.includes("the count of restarts begins anew"), "RESTART_RESET=1 is lost", effects);
}

function anyMessage(random: Random): MessageFacts {
  const text = messageText(random);
  const sender = { pid: random.pick([1, 42, 0, -1]), uid: random.pick([0, 1000]), role: random.pick(ROLES) };
  return {
    bytes: random.bytes(text),
    fdCount: random.once(2) ? 0 : random.pick([1, 2, 253]),
    // Most are heard.
    sender: random.once(5) ? sender : { pid: 42, uid: 0, role: "main" },
    mainPidRole: random.pick([undefined, ...ROLES]),
  };
}

function anyUnit(random: Random): UnitFacts {
  const maybe = <T>(value: T) => (random.once(3) ? undefined : value);
  return {
    type: maybe(random.pick(["notify", "notify-reload", "simple", ""])),
    notifyAccess: maybe(random.pick(["none", "main", "exec", "all", "all", "all"] as const)),
    fdStoreMax: maybe(random.below(4)),
    fdStored: maybe(random.below(4)),
    watchdogUsec: maybe(random.pick([0, 1, 20e6])),
    phase: maybe(random.pick(["activating", "active", "reloading", "deactivating"] as const)),
    reloadUsec: maybe(random.pick([0, 123456790, Number.MAX_SAFE_INTEGER])),
    handlesReload: maybe(random.once(2)),
  };
}
