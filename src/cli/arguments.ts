/** The arguments of the command, byte for byte. */

/** Strings that stand for bytes: `encoding` says how. */
export interface Arguments {
  args: string[];
  encoding: "utf8" | "latin1";
}

/**
 * Returns the arguments as they were given, which process.argv is not always: Bun puts U+FFFD where they are no UTF-8, and
 * drops a `--` that is the first argument of a script. Then they are read from the kernel, a byte as a character.
 */
export async function commandArguments(): Promise<Arguments> {
  const args = process.argv.slice(2);
  const lossy = args.some((arg) => arg.includes("\uFFFD"));
  const standalone = Bun.main.startsWith("/$bunfs/");
  if (standalone && !lossy) return { args, encoding: "utf8" };
  const all = Buffer.from(await Bun.file("/proc/self/cmdline").bytes())
    .toString("latin1")
    .split("\0")
    .slice(0, -1);
  const start = all.length - args.length;
  const dropped = !standalone && all[start - 1] === "--" ? ["--"] : [];
  return lossy
    ? { args: [...dropped, ...all.slice(start)], encoding: "latin1" }
    : { args: [...dropped, ...args], encoding: "utf8" };
}
