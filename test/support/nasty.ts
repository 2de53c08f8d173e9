/**
 * Text that means something to a terminal, or in a unit file. Bytes that are not UTF-8 are lone surrogates,
 * as decodeBytes() has them.
 */

export const NASTY_WORDS = [
  "",
  " ",
  "a b",
  "\t",
  "\n",
  "a\nReadOnlyPaths=/\n[Install]",
  "\r\n",
  "\x1b[31m\x1b]0;title\x07",
  "\x7f\x01\x08",
  "%",
  "%%",
  "%n%i%h",
  "100%",
  "$",
  "$$",
  "$HOME",
  "a$HOME",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: systemd's.
  "${HOME}",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: systemd's.
  "x${HOME}y$$z",
  "'",
  '"',
  "it's",
  'say "x"',
  "\\",
  "a\\",
  "\\\\",
  "\\n",
  "\\x41",
  "\\;",
  ";",
  ";;",
  "a;b",
  "-",
  "@",
  ":",
  "+",
  "!",
  "!!",
  "|",
  "-@:+!/bin/sh",
  "#",
  "# comment",
  "字 e\u0301 👨‍👩‍👧",
  "\u0085\u009b31m",
  "\u2028\u2029",
  "\u202eabc\u202c\u2066\u2069\u061c",
  "\u00ad\u200b\ufeff",
  "\u{e0041}",
  "\udcff\udc80",
  "a\udcc3",
  "/",
  "--",
];

/** What neither a terminal nor a line is to have of others: all that is not printable, but for the two joiners. */
export const STRANGE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

const PIECES = [...NASTY_WORDS.filter((word) => word !== "").flatMap((word) => [word, ...word]), "a", "b", "c"];

/** The same word for the same number. */
export function nastyWord(seed: number): string {
  let state = seed + 1;
  // Park and Miller's generator.
  const next = (n: number) => {
    state = (state * 48271) % 0x7fffffff;
    return state % n;
  };
  next(1);
  next(1);
  const word = Array.from({ length: next(12) }, () => PIECES[next(PIECES.length)]).join("");
  // Two stray bytes may be a character together.
  return word.replaceAll(/[\udc80-\udcff]{2,}/g, "\udcff");
}
