/** The main process of the unit: the program, or the process that it has named by MAINPID=. */

import { LOOK_MS } from "./ends.ts";
import { OtherProcess } from "./other-process.ts";

export class MainProcess implements Disposable {
  readonly #onLost: () => void;
  #program: Bun.Subprocess | undefined;
  #other: OtherProcess | undefined;
  #looking: Timer | undefined;

  /**
   * `onLost` is called again and again while the program runs without its main process. No event tells that, because
   * that is another one's child.
   */
  constructor(onLost: () => void) {
    this.#onLost = onLost;
  }

  /** The main process, if that is not the program. */
  get other(): OtherProcess | undefined {
    return this.#other;
  }

  /** Whether it has ended, and the program has not. */
  get isLost(): boolean {
    return this.#other !== undefined && !this.#other.isRunning && this.runningProgram !== undefined;
  }

  /** The pid of the program, until that has ended. */
  get runningProgram(): number | undefined {
    const { pid, exitCode, signalCode } = this.#program ?? {};
    return exitCode === null && signalCode === null ? pid : undefined;
  }

  /** The process that signals are for: the program too, if the main process has ended without it. */
  get target(): number | undefined {
    if (this.#other !== undefined && !this.#other.isRunning) return this.runningProgram;
    return this.#other?.pid ?? this.#program?.pid;
  }

  /** A program was started. */
  start(program: Bun.Subprocess): void {
    this[Symbol.dispose]();
    this.#program = program;
  }

  /** MAINPID= has named a process. */
  name(pid: number): void {
    if (this.#other?.pid === pid && this.#other.isRunning) return;
    this[Symbol.dispose]();
    if (pid === this.#program?.pid) return;
    this.#other = new OtherProcess(pid);
    let wasLost = false;
    this.#looking = setInterval(() => {
      const { isLost } = this;
      // Most programs that wait for their main process end in between.
      if (isLost && wasLost) this.#onLost();
      wasLost = isLost;
    }, LOOK_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#looking);
    this.#other?.[Symbol.dispose]();
    this.#other = undefined;
  }
}
