/** The completion for fish: the table as calls of `complete`, after the functions of template.fish. */

import { COMMAND, type CompletedCommand, type CompletedOption, fill, type Kind, SUBCOMMANDS } from "./commands.ts";

export function fishCompletion(template: string): string {
  const required = COMMAND.options.filter(({ value }) => value === "required");
  return fill(template, {
    SUBCOMMANDS: SUBCOMMANDS.flatMap(contextOf),
    VALUEOPTIONS: [`case ${required.map(({ long }) => `--${long}`).join(" ")}`],
    COMPLETE: [
      ...SUBCOMMANDS.map(
        ({ name, description }) =>
          `complete -c sd-notify -n 'test (count (commandline -opc)) -eq 1' -a ${name} -d ${quote(description)}`,
      ),
      ...[COMMAND, ...SUBCOMMANDS].flatMap(({ name, options }) => options.map((option) => complete(name, option))),
      ...SUBCOMMANDS.flatMap(completeOperand),
      `complete -c sd-notify -n '__sd_notify_in "command *"' -a '(__sd_notify_command)'`,
    ],
  });
}

// --- internal ---

const CANDIDATES: Record<Kind, string> = {
  command: "(__sd_notify_commands)",
  // fish opens no others that a command inherits.
  fd: "0 1 2",
  file: "",
  pid: "(__fish_complete_pids)",
  unit: "(__sd_notify_units)",
  user: "(__fish_complete_users)",
};

/** A case of `switch`: before "--" it is the subcommand; after it, the command. */
function contextOf({ name, operand }: CompletedCommand): string[] {
  const end = operand === "command" ? "echo command (math $end + 1)" : "true";
  return [
    `case ${name}`,
    "    set --local end (contains -i -- -- $words)",
    `    and ${end}`,
    `    or echo ${name}`,
    "    return",
  ];
}

function complete(command: string, { long, short, help, value, words, kind }: CompletedOption): string {
  const names = `${short === undefined ? "" : `-s ${short} `}-l ${long}`;
  const candidates = [...words, ...(kind === undefined ? [] : [CANDIDATES[kind]])].join(" ");
  const rule = value === "none" ? "" : value === "optional" ? " -f" : kind === "file" ? " -r -F" : " -x";
  const list = candidates === "" ? "" : ` -a ${quote(candidates)}`;
  return `complete -c sd-notify -n '__sd_notify_in ${command}' ${names}${rule}${list} -d ${quote(help)}`;
}

function completeOperand({ name, operand, operandHint, operandWords }: CompletedCommand): string[] {
  const place = `complete -c sd-notify -n '__sd_notify_in ${name}`;
  if (operand === "command") return [`${place}' -a -- -d ${quote(operandHint)}`];
  const candidates = operand === "unit" ? CANDIDATES.unit : operandWords.join(" ");
  return candidates === "" ? [] : [`${place}; and __sd_notify_first_operand' -a '${candidates}'`];
}

function quote(text: string): string {
  return `'${text.replaceAll(/[\\']/g, "\\$&")}'`;
}
