import type { Tool } from "./tool.ts";

export const tool = { name: "doctor", description: "", operand: "", options: {} } as const satisfies Tool;

export async function main(_args: readonly string[]): Promise<number> {
  throw new Error("not there yet");
}
