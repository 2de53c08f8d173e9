/** Composes HTML. A value that is put into it counts as text and is escaped, unless this file made it. */

import { printable } from "../../../protocol/printable.ts";

/** Markup that goes into a page as it is. */
export class Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }
}

export type Part = Html | string | number | undefined | readonly Part[];

/** Makes markup: html`<p title="${title}">${text}</p>`. Attributes need double quotes. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  return new Html(strings.map((own, i) => `${own}${markupOf(values[i])}`).join(""));
}

/** Puts in a style or script of this program without escaping it. The page's policy allows it by its hash. */
export function verbatim(text: string): Html {
  return new Html(text);
}

/** Returns the source expression of Content-Security-Policy that allows only this style or script. */
export function hashSource(text: string): string {
  return `'sha256-${new Bun.CryptoHasher("sha256").update(text).digest("base64")}'`;
}

// --- internal ---

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function markupOf(value: Part): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.markup;
  if (typeof value === "object") return value.map(markupOf).join("");
  // Newlines and tabs are the only control characters that are safe in a page. Others could reverse its text.
  const lines = `${value}`.split("\n").map((line) => line.split("\t").map(printable).join("\t"));
  return lines.join("\n").replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
