/** HTML that is composed of parts: what is put into it is text, unless it was made here. */

import { printable } from "../../../protocol/printable.ts";

/** Markup that may stand in a page. */
export class Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }
}

export type Part = Html | string | number | undefined | readonly Part[];

/** Makes markup: html`<p title="${title}">${text}</p>`. Attributes are in double quotes. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  return new Html(strings.map((own, i) => `${own}${markupOf(values[i])}`).join(""));
}

/** The program's own style or script, which the page's policy names by its hash. */
export function verbatim(text: string): Html {
  return new Html(text);
}

/** Returns the source of Content-Security-Policy that allows one style or script, and no other. */
export function hashSource(text: string): string {
  return `'sha256-${new Bun.CryptoHasher("sha256").update(text).digest("base64")}'`;
}

// --- internal ---

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function markupOf(value: Part): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.markup;
  if (typeof value === "object") return value.map(markupOf).join("");
  // Of control characters a page may have newlines and tabs; those that turn text around would do so to the page.
  const lines = `${value}`.split("\n").map((line) => line.split("\t").map(printable).join("\t"));
  return lines.join("\n").replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
