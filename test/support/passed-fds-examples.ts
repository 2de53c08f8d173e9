/** The examples of docs/passed-fds.md. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./command.ts";

export interface Example {
  /** Its heading; the second one below it has " (2)" after it. */
  title: string;
  /** The lines for a unit that stand before it. */
  unit: string;
  code: string;
}

export const examples: readonly Example[] = readFileSync(join(ROOT, "docs/passed-fds.md"), "utf8")
  .split(/^## /m)
  .flatMap((section) => {
    const title = section.slice(0, section.indexOf("\n"));
    const unit = /^```ini\n(.*?)^```$/ms.exec(section)?.[1] ?? "";
    const blocks = [...section.matchAll(/^```ts\n(.*?)^```$/gms)];
    return blocks.map(([, code = ""], i) => ({ title: i === 0 ? title : `${title} (${i + 1})`, unit, code }));
  });

/** Returns the example's code with the library from where it is now. */
export function codeOf(title: string, library: string): string {
  const example = examples.find((example) => example.title === title);
  if (!example) throw new Error(`no example ${title}: there are ${examples.map(({ title }) => title).join(", ")}`);
  return example.code.replace('"sd-notify"', JSON.stringify(library));
}
