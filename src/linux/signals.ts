import { node } from "../bun/node.ts";

/** Returns "SIGTERM" for 15. */
export function signalName(signal: number): string {
  const names = Object.entries(node.os.constants.signals);
  return names.find(([, number]) => number === signal)?.[0] ?? `signal ${signal}`;
}
