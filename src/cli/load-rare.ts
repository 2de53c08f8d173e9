/** Loads what is rarely used. (By require(), because with import() all of the command would wait for promises.) */
export function rare(): typeof import("./rare.ts") {
  return require("./rare.ts");
}
