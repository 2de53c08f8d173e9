/** Tells the keys that a terminal sends as one character from those that it sends as an escape sequence. Pure. */

/** What the next character belongs to: ECMA-48, and xterm's "Control Sequences". */
type State =
  | { in: "nothing" }
  /** ESC, and perhaps intermediate characters. */
  | { in: "escape"; intermediates: boolean }
  /** ESC [ and parameters. */
  | { in: "control sequence"; parameters: string }
  /** ESC N or ESC O: a function key, possibly with the number of a modifier. */
  | { in: "single shift" }
  /** This many characters follow, whatever they are. */
  | { in: "fixed length"; left: number }
  /** ESC ], ESC P and others: the answer to a query. It ends with BEL or ESC \. */
  | { in: "string"; escaped: boolean }
  /** What was pasted: `end` is the part of its end that has come already. */
  | { in: "paste"; end: string };

export class KeyParser {
  #state: State = NOTHING;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** Returns the keys among these bytes. A sequence may arrive in several pieces. */
  parse(bytes: Uint8Array, nowMs: number): string[] {
    // Then it was the key Esc alone, or a sequence whose end was lost.
    if (nowMs - this.#lastMs > SEQUENCE_MS) this.#state = NOTHING;
    this.#lastMs = nowMs;
    const keys: string[] = [];
    // The keys of the monitor are ASCII, and no byte of another character is.
    for (const character of Buffer.from(bytes).toString("latin1")) {
      if (isKey(this.#state, character)) keys.push(character);
      this.#state = next(this.#state, character);
    }
    return keys;
  }
}

// --- internal ---

const NOTHING: State = { in: "nothing" };
const ESCAPE = { in: "escape", intermediates: false } as const;

/** The longest pause within a sequence. A person who presses Esc and then another key takes longer. */
const SEQUENCE_MS = 500;

const ESC = "\x1b";
const BEL = "\x07";
const PASTE_END = `${ESC}[201~`;

/** As in a terminal, a control character counts in the middle of a sequence too: Ctrl-C always stops. */
function isKey(state: State, character: string): boolean {
  if (character === ESC || (character === BEL && state.in === "string")) return false;
  return state.in === "nothing" || (isControl(character) && state.in !== "paste");
}

function next(state: State, character: string): State {
  if (state.in === "paste") {
    const end = state.end + character;
    if (end === PASTE_END) return NOTHING;
    return { in: "paste", end: PASTE_END.startsWith(end) ? end : character === ESC ? ESC : "" };
  }
  if (character === ESC) return state.in === "string" ? { ...state, escaped: true } : ESCAPE;
  if (isControl(character)) return state.in === "string" ? NOTHING : state;
  switch (state.in) {
    case "nothing":
      return NOTHING;
    case "string":
      if (!state.escaped) return state;
      return character === "\\" ? NOTHING : afterEscape(ESCAPE, character);
    case "fixed length":
      return state.left > 1 ? { ...state, left: state.left - 1 } : NOTHING;
    case "escape":
      return afterEscape(state, character);
    case "single shift":
      return /[\d;]/.test(character) ? state : NOTHING;
    case "control sequence":
      return afterBracket(state, character);
  }
}

function afterEscape(state: Extract<State, { in: "escape" }>, character: string): State {
  if (/[ -/]/.test(character)) return { in: "escape", intermediates: true };
  if (state.intermediates) return NOTHING;
  if (character === "[") return { in: "control sequence", parameters: "" };
  if (/[NO]/.test(character)) return { in: "single shift" };
  return /[\]PX^_]/.test(character) ? { in: "string", escaped: false } : NOTHING;
}

function afterBracket({ parameters }: Extract<State, { in: "control sequence" }>, character: string): State {
  // ESC [ [ A is F1 of the Linux console.
  if (/[ -?]/.test(character) || (parameters === "" && character === "[")) {
    return { in: "control sequence", parameters: (parameters + character).slice(0, MAX_PARAMETERS) };
  }
  if (parameters === "200" && character === "~") return { in: "paste", end: "" };
  // The mouse: its button, column and row, in X10's way.
  return parameters === "" && character === "M" ? { in: "fixed length", left: 3 } : NOTHING;
}

/** No more of them is looked at. */
const MAX_PARAMETERS = 16;

function isControl(character: string): boolean {
  return character < " " || character === "\x7f";
}
