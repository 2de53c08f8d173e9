/** Loads what is rarely used. (By require(), because with import() all of the command would wait for promises.) */
export function rare(): typeof import("./rare.ts").functions {
  return (require("./rare.ts") as typeof import("./rare.ts")).functions;
}
