/** Interactive shells in a pseudo-terminal, in which the completion is installed as a user installs it. */

import { mkdirSync, writeFileSync } from "node:fs";
import { ROOT } from "./command.ts";

export type ShellName = "bash" | "zsh" | "fish";

export interface ShellOptions {
  /** A directory of the test's own: $HOME, and where the files of the shell go. */
  home: string;
  /** The directory that it starts in; default: home. */
  cwd?: string;
  /** Directories before the others of $PATH. */
  path?: string;
  /** More lines for its start-up file. */
  setup?: string;
  /** zsh: have the file sourced, instead of found in $fpath. */
  sourced?: boolean;
}

export interface Completed {
  /** What the shell showed, without colours: the line as it was typed, and the candidates. */
  screen: string;
  /** The line as the shell changed it. */
  line: string;
}

/** Starts a shell with the completion, and resolves when it reads keys. */
export async function openShell(name: ShellName, options: ShellOptions) {
  const { home, cwd = home, path = "", setup = "" } = options;
  mkdirSync(home, { recursive: true });
  const { command, keys = "", file, text } = SHELLS[name](options);
  writeFileSync(`${home}/${file}`, `${text}\n${setup}\n`);
  writeFileSync(`${home}/inputrc`, INPUTRC);
  let output = "";
  let heard = Promise.withResolvers<void>();
  const child = Bun.spawn(command, {
    cwd,
    env: {
      PATH: `${path}:${process.env.PATH}`,
      HOME: home,
      ZDOTDIR: home,
      INPUTRC: `${home}/inputrc`,
      TERM: name === "fish" ? "xterm" : "dumb",
      LC_ALL: "C.UTF-8",
      PS1: "$ ",
    },
    terminal: {
      cols: 400,
      rows: 400,
      data(_, bytes) {
        output += new TextDecoder().decode(bytes);
        heard.resolve();
      },
      exit: () => heard.resolve(),
    },
  });
  const until = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (const deadline = performance.now() + TIME_MS; ; ) {
      const found = pattern.exec(output);
      if (found) return found;
      heard = Promise.withResolvers();
      const timer = setTimeout(heard.resolve, Math.max(deadline - performance.now(), 0));
      await heard.promise;
      clearTimeout(timer);
      if (performance.now() > deadline || child.terminal?.closed) {
        throw new Error(`${name} does not answer: ${JSON.stringify(output)}`);
      }
    }
  };
  const type = async (keys: string): Promise<Completed> => {
    output = "";
    // What follows the keys tells that they have been worked on, and what the line is then.
    child.terminal?.write(`${keys}\x18r`);
    const [whole, line = ""] = await until(/<line>(.*)<\/line>/);
    const screen = Bun.stripANSI(output.slice(0, output.indexOf(whole))).replaceAll("\r", "");
    return { screen, line };
  };
  if (keys) child.terminal?.write(keys);
  await until(/ready>/);
  return {
    /** Types the text and Tab. */
    complete: (text: string) => type(`${text}\t`),
    /** Types keys as they are. */
    type,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      child.terminal?.close();
    },
  };
}

// --- internal ---

const TIME_MS = 20_000;

const COMPLETIONS = `${ROOT}man/completions`;

const INPUTRC = `
set show-all-if-ambiguous on
set page-completions off
set completion-query-items 0
set enable-bracketed-paste off
set bell-style none
`;

interface Start {
  command: string[];
  /** What is typed first. */
  keys?: string;
  /** The start-up file, in $HOME. */
  file: string;
  text: string;
}

const SHELLS: Record<ShellName, (options: ShellOptions) => Start> = {
  bash: ({ home }) => ({
    // --rcfile would not keep it from /etc/bash.bashrc.
    command: ["bash", "--norc", "-i"],
    keys: `source ${home}/bashrc\n`,
    file: "bashrc",
    text: `
report() { printf '\\n<line>%s</line>\\n' "$READLINE_LINE"; READLINE_LINE=''; }
bind -x '"\\C-xr": report'
source ${COMPLETIONS}/sd-notify.bash
PS1='ready>'`,
  }),
  zsh: ({ sourced }) => ({
    command: ["zsh", "-d", "-i"],
    file: ".zshrc",
    text: `
${sourced ? "" : `fpath=(${COMPLETIONS} $fpath)`}
autoload -Uz compinit && compinit -D -u
${sourced ? `source ${COMPLETIONS}/_sd-notify` : ""}
report() { zle -I; print -r -- "<line>$BUFFER</line>"; BUFFER='' }
zle -N report
bindkey '^Xr' report
setopt no_list_ambiguous no_auto_menu
LISTMAX=100000
PS1='ready>'`,
  }),
  fish: ({ home }) => ({
    command: ["fish", "--no-config", "-i", "-C", `source ${home}/config`],
    file: "config",
    text: `
source ${COMPLETIONS}/sd-notify.fish
function report; printf '\\n<line>%s</line>\\n' (commandline | string collect); commandline -r ''; end
bind \\cxr report
function fish_prompt; echo -n 'ready>'; end
function fish_greeting; end`,
  }),
};
