/** Whether a process can send at all, judged by its files. */
export interface Speech {
  pid: number;
  /** A script decides what it does, not its program. */
  isInterpreter: boolean;
  /** The program, a library or the script mentions the protocol; undefined: not all of it could be read. */
  speaks?: boolean | undefined;
  /** TCP addresses that can be connected to, "127.0.0.1:80", and Unix sockets, at which it waits for connections. */
  addresses: readonly string[];
  paths: readonly string[];
}
