/** The completion for zsh: the table as specifications of _arguments, in template.zsh. */

import { COMMAND, type CompletedCommand, type CompletedOption, fill, type Kind, SUBCOMMANDS } from "./commands.ts";

export function zshCompletion(template: string): string {
  const names = SUBCOMMANDS.map(({ name }) => name).join("|");
  const required = COMMAND.options.filter(({ value }) => value === "required");
  return fill(template, {
    SUBCOMMANDNAMES: [`(${names})`],
    VALUEOPTIONS: [`(${required.map(({ long }) => `--${long}`).join("|")}) (( i++ )) ;;`],
    OPTIONS: COMMAND.options.map(specify),
    SUBCOMMANDS: SUBCOMMANDS.map(({ name, description }) => quote(`${name}:${description}`)),
    SUBCOMMANDFUNCTIONS: SUBCOMMANDS.map(subcommandFunction),
  });
}

// --- internal ---

const ACTIONS: Record<Kind, string> = {
  command: "_cmdstring",
  fd: "_file_descriptors",
  file: "_files",
  pid: "_sd-notify_processes",
  unit: "_sd-notify_units",
  user: "_users",
};

function subcommandFunction(
  { name, options, operand, operandHint, operandWords }: CompletedCommand,
  index: number,
): string {
  const specs = [
    ...options.map(specify),
    ...(operand === "unit" ? [quote("1:unit:_sd-notify_units")] : []),
    ...(operand === "words" ? [quote(`1:question:(${operandWords.join(" ")})`)] : []),
  ];
  const args = `_arguments -s -S : \\\n        ${specs.join(" \\\n        ")}`;
  return `${index === 0 ? "" : "\n"}_sd-notify_${name}() {
    local -i end=\${words[(ie)--]}
    if (( end < CURRENT )); then
        ${operand === "command" ? "_sd-notify_command $(( end + 1 ))" : "# Nothing follows."}
        return
    fi
    ${operand === "command" ? `_sd-notify_end ${quote(operandHint)}\n    ` : ""}${args}
}`;
}

/** `'--type=[help]:TYPE:(notify notify-reload)'`, see _arguments in zshcompsys(1). */
function specify(option: CompletedOption): string {
  const { long, short, help, value, multiple, hint } = option;
  const text = `[${help.replaceAll(/[[\]\\]/g, "\\$&")}]`;
  if (short !== undefined) return `'(-${short} --${long})'{-${short},--${long}}${quote(text)}`;
  const separator = { none: "", optional: "=-", required: "=" }[value];
  const argument = value === "none" ? "" : `${value === "optional" ? "::" : ":"}${colons(hint)}:${action(option)}`;
  return quote(`${multiple ? "*" : ""}--${long}${separator}${text}${argument}`);
}

function action({ words, kind }: CompletedOption): string {
  const other = kind === undefined ? "" : ACTIONS[kind];
  if (words.length === 0) return other || " ";
  return other === "" ? `(${words.join(" ")})` : ` _sd-notify_word_or ${other} ${words.join(" ")}`;
}

function colons(text: string): string {
  return text.replaceAll(":", "\\:");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
