/** Terminals of tmux(1), and what stands on their screens. */

import { run } from "./command.ts";

/** A server of tmux's own for a test, whose socket is in a directory. */
export function openTmux(directory: string) {
  const tmux = async (...args: string[]) =>
    // The user's own shell may be one that lets nobody in.
    (await run(["tmux", "-S", `${directory}/tmux`, "-f", "/dev/null", ...args], { env: { SHELL: "/bin/sh" } })).stdout;
  let windows = 0;
  return {
    /** Runs a command of the shell in a terminal of its own. */
    async open(command: string, columns = 100, rows = 50) {
      const name = `w${++windows}`;
      await tmux("new-session", "-d", "-s", name, "-x", `${columns}`, "-y", `${rows}`, command);
      /** The screen, colours included when asked for. */
      const screen = (colours = false) => tmux("capture-pane", "-p", "-t", name, ...(colours ? ["-e"] : []));
      return {
        screen,
        /** Returns the screen in which the text stands. */
        async until(text: string | RegExp, colours = false): Promise<string> {
          for (const deadline = performance.now() + 10_000; performance.now() < deadline; await Bun.sleep(20)) {
            const shown = await screen(colours);
            if (typeof text === "string" ? shown.includes(text) : text.test(shown)) return shown;
          }
          throw new Error(`no ${text} on the screen:\n${await screen()}`);
        },
        press: (...keys: string[]) => tmux("send-keys", "-t", name, ...keys),
        /** Pastes a text: the terminal marks it if the program has asked for that. */
        async paste(text: string) {
          await tmux("set-buffer", "-b", name, text);
          await tmux("paste-buffer", "-p", "-d", "-b", name, "-t", name);
        },
        resize: (width: number, height: number) =>
          tmux("resize-window", "-t", name, "-x", `${width}`, "-y", `${height}`),
        closeWindow: () => tmux("kill-session", "-t", name),
        /** The first and the last row that scroll, and how many there are. */
        region: () => tmux("display", "-p", "-t", name, "#{scroll_region_upper} #{scroll_region_lower} #{pane_height}"),
      };
    },
    close: () => tmux("kill-server"),
  };
}
