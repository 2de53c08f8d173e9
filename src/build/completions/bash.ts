/** The completion for bash: the table as cases of template.bash. */

import { COMMAND, type CompletedCommand, type CompletedOption, fill, namesOf, SUBCOMMANDS } from "./commands.ts";

export function bashCompletion(template: string): string {
  return fill(template, {
    COMMANDS: [COMMAND, ...SUBCOMMANDS].map(describe),
    VALUES: [COMMAND, ...SUBCOMMANDS].flatMap(describeValues),
    SUBCOMMANDS: [`local -a subcommands=(${SUBCOMMANDS.map(({ name }) => name).join(" ")})`],
  });
}

// --- internal ---

function describe({ name, options, operand, operandWords }: CompletedCommand): string {
  const words = [...options.flatMap(namesOf), ...(operand === "command" ? ["--"] : [])];
  const known = operandWords.length > 0 ? ` operandwords=(${operandWords.join(" ")})` : "";
  return `${name}) operand=${operand ?? "''"}${known} options=(${words.join(" ")}) ;;`;
}

/** A case for each meaning of a value. */
function describeValues({ name, options }: CompletedCommand): string[] {
  const longs = Map.groupBy(
    options.filter(({ value }) => value !== "none"),
    meaning,
  );
  return [...longs].map(([what, them]) => `${them.map(({ long }) => `"${name} --${long}"`).join(" | ")}) ${what};;`);
}

function meaning({ value, words, kind }: CompletedOption): string {
  const parts = [
    ...(words.length > 0 ? [`values=(${words.join(" ")})`] : []),
    ...(kind === undefined ? [] : [`kind=${kind}`]),
    ...(value === "optional" ? ["optional=1"] : []),
  ];
  return parts.length > 0 ? `${parts.join(" ")} ` : "";
}
