import { shorten } from "../../protocol/shorten.ts";

/** Text that another program wrote: it is printed in quotes, and cut to what fits a line. */
export function quote(text: string): string {
  return JSON.stringify(shorten(text.trim(), 200));
}
