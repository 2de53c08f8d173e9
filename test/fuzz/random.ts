/**
 * A seeded generator of inputs: one seed, one input. It knows what parsers trip over. (fast-check makes such
 * an input in 25 to 50 us, which for a million of each target is longer than the code under test takes; this
 * takes 1 or 2.)
 */

/** Names that every JavaScript object has. */
export const INHERITED = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"];

export class Random {
  #state: number;

  constructor(seed: number) {
    // Neighbours, and seeds beyond 32 bits, have nothing in common.
    this.#state = mix(mix(seed % 0x1_0000_0000) + Math.floor(seed / 0x1_0000_0000));
  }

  /** An integer from 0 to n - 1. */
  below(n: number): number {
    return Math.floor((this.#next() / 0x1_0000_0000) * n);
  }

  /** True once in n times. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  /** Up to `max` values; most lists are short. */
  list<T>(max: number, make: () => T): T[] {
    return Array.from({ length: this.below(this.below(max + 1) + 1) }, make);
  }

  /** A number on a boundary, or any. */
  number(): number {
    if (this.once(3)) return this.below(300);
    if (this.once(2)) return this.pick(NUMBERS);
    return (this.#next() - 0x8000_0000) / this.pick([1, 7, 1e6]);
  }

  /** What looks like a number to some parser. */
  digits(): string {
    const text = this.once(3) ? this.pick(DIGITS) : `${this.number()}`;
    return this.once(3) ? this.pick([" ", "+", "0x", "0b", "0o", "0", "-", "\v", "\t\n"]) + text : text;
  }

  /** Any text; a long one now and then. */
  text(max = 20): string {
    const length = this.once(500) ? 1 << this.below(14) : this.below(max + 1);
    if (this.once(8)) return this.pick(PIECES).repeat(length);
    let text = "";
    while (text.length < length) text += this.once(3) ? this.pick(PIECES) : String.fromCharCode(32 + this.below(95));
    return text;
  }

  /** A text with a few changes: something taken out, put in, doubled or cut off. */
  mutate(text: string): string {
    for (let changes = this.below(4); changes > 0; changes--) {
      const [from, length] = [this.below(text.length + 1), this.below(8)];
      const [before, there, after] = [text.slice(0, from), text.slice(from, from + length), text.slice(from + length)];
      const kind = this.below(5);
      if (kind === 0) text = before + after;
      else if (kind === 1) text = before + this.pick(PIECES) + there + after;
      else if (kind === 2) text = before + there + there + after;
      else if (kind === 3) text = before + this.text(4) + after;
      else text = before;
    }
    return text;
  }

  /** Text as bytes, of which some may be no UTF-8. */
  bytes(text: string): Uint8Array {
    const bytes = new Uint8Array(Buffer.from(text));
    while (bytes.length > 0 && this.once(4)) bytes[this.below(bytes.length)] = this.below(256);
    return bytes;
  }

  // --- internal ---

  /** 32 bits. */
  #next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    return mix(this.#state);
  }
}

// --- internal ---

/** One step of splitmix32. */
function mix(z: number): number {
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

const NUMBERS = [
  ...[0, -0, 1, -1, 2, 0.1, 0.5, 1e-7, 1e21, 5e-324, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ...[127, 128, 255, 256, 4095, 4096, 65535, 65536, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x100000000],
  ...[2 ** 53 - 1, 2 ** 53, -(2 ** 53), 2 ** 63, 2 ** 64, 1e15, Number.MAX_VALUE],
];

const DIGITS = [
  ...["", "0", "00", "08", "1e3", "1_000", "٣", "１", "0x", "ff", "18446744073709551615", "18446744073709551616"],
  ...["9".repeat(400), "0".repeat(400), "1.5", "Infinity", "NaN", "1 ", "2147483647", "2147483648", "infinity"],
];

/** Characters and sequences with a meaning for somebody. */
const PIECES = [
  ...["\n", "\r", "\r\n", "\0", "\t", "\v", "\f", "\\", "\\\\", "\\\n", '"', "'", "`", "$", ";", "#", "%"],
  ...["=", "==", ":", "::", ",", "/", "//", "/../", "/./", ".", "..", "@", "-", "--", "+", "(", ")", ") ", "[", "]"],
  ...["\x1b[2J", "\x1b]0;x\x07", "\x7f", "\x80", "\x9b", "\u0085", "\u2028", "\u2029", "\u202e", "\ufeff", "\ufffd"],
  ...["\ud800", "\udfff", "\udc00\ud800", "🎉", "é", "e\u0301", "日本", "\uffff", "\u{10ffff}", " ", "  ", "\u00a0"],
  ...["0", "1", "9", "A", "z", "BARRIER=1", "READY=1", "STATUS=", ...INHERITED],
];
