/**
 * The subcommands: monitor, doctor, run, bridge, probe. They are in a separate file. The command loads it when one
 * of them is called.
 */

import { FFIUnavailableError } from "../../ffi/errors.ts";
import { restartWithSmallerReservation } from "../bun/jit-reservation.ts";
import { keepTerminalModes } from "../bun/terminal-modes.ts";
import { toolHelp } from "./help.ts";
import { complainOf, type Tool } from "./options.ts";
import { becomeTiedProgram } from "./stage.ts";

/**
 * Runs a subcommand with the arguments after its name.
 *
 * @returns the exit status.
 */
export async function runTool(name: ToolName, args: readonly string[]): Promise<number> {
  try {
    becomeTiedProgram(args);
    keepTerminalModes();
    const { tool, main } = await TOOLS[name]();
    const own = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
    if (own.includes("--help") || own.includes("-h")) return await toolHelp(tool);
    return await main(args);
  } catch (error) {
    // The same as for the command: nothing has been started yet.
    if (error instanceof FFIUnavailableError) restartWithSmallerReservation([name, ...args]);
    complainOf(name, error);
    return 1;
  }
}

// --- internal ---

interface ToolModule {
  tool: Tool;
  /** Returns the exit status. */
  main(args: readonly string[]): Promise<number>;
}

const TOOLS = {
  monitor: () => import("./monitor/main.ts"),
  doctor: () => import("./doctor/main.ts"),
  run: () => import("./run/main.ts"),
  bridge: () => import("./bridge/main.ts"),
  probe: () => import("./probe/main.ts"),
} as const satisfies Record<string, () => Promise<ToolModule>>;

export type ToolName = keyof typeof TOOLS;
