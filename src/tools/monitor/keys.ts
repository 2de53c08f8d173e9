/** Keys of a terminal, one by one. */

/** Calls back for each key if standard input is a terminal. Disposing restores the terminal. */
export function readKeys(onKey: (key: string) => void): Disposable {
  const { stdin } = process;
  if (!stdin.isTTY) return { [Symbol.dispose]() {} };
  const onData = (data: Buffer) => {
    for (const key of data.toString()) onKey(key);
  };
  const restore = () => stdin.setRawMode(false);
  stdin.setRawMode(true);
  process.once("exit", restore);
  stdin.on("data", onData);
  return {
    [Symbol.dispose]() {
      stdin.off("data", onData);
      stdin.pause();
      stdin.unref();
      restore();
      process.off("exit", restore);
    },
  };
}
