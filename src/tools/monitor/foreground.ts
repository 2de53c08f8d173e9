/**
 * Job control. A process may change and read its terminal only while its process group is in the foreground. In the
 * background, tcsetattr(3) stops it by SIGTTOU and read(2) by SIGTTIN.
 */

import { constants } from "node:os";
import { setIgnored } from "../../../ffi/process.ts";
import { ownsTerminal } from "../../linux/job-control.ts";
import { isIgnored } from "../signals.ts";

/** Something that changes the terminal. */
export interface TerminalUser {
  /** This process has the terminal, or has it again: its modes, its size and what it shows may be others. */
  take(): void;
  /** Leaves the terminal as it was before. This process has it still. */
  giveBack(): void;
  /** Another program has it already. */
  lose(): void;
}

/** Tells users of the terminal when it is theirs, also when a shell stops this process and continues it. */
export class Foreground implements Disposable {
  readonly #users: readonly TerminalUser[];
  readonly #written: () => Promise<void>;
  #isOurs = false;
  #isSuspending = false;
  #isOver = false;
  /** Until the next look at who has the terminal. */
  #timer: NodeJS.Timeout | undefined;
  readonly #onTstp = () => void this.#suspend();
  readonly #onCont = () => this.#resume();

  /** `written` resolves when what the users have written is on the terminal, or after a time. */
  constructor(users: readonly TerminalUser[], written: () => Promise<void>) {
    this.#users = users;
    this.#written = written;
    process.on("SIGCONT", this.#onCont);
    this.#resume();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    process.off("SIGCONT", this.#onCont);
    process.off("SIGTSTP", this.#onTstp);
  }

  // --- internal ---

  /** Stops this process as SIGTSTP does by default. */
  async #suspend(): Promise<void> {
    if (this.#isSuspending) return;
    this.#isSuspending = true;
    clearTimeout(this.#timer);
    if (this.#isOurs && ownsTerminal()) {
      for (const user of this.#users) {
        user.giveBack();
        await this.#written();
        // In the meantime SIGCONT may have come, or the end.
        if (this.#isOver || !this.#isSuspending) return;
      }
    }
    this.#isOurs = false;
    process.off("SIGTSTP", this.#onTstp);
    // Bun's handler may stay when the last listener goes.
    setIgnored(constants.signals.SIGTSTP, false);
    process.kill(process.pid, "SIGTSTP");
    // The kernel stops no process whose group is orphaned, setpgid(2). Then there will be no SIGCONT.
    this.#timer = setTimeout(this.#onCont, STOP_MS);
    this.#timer.unref();
  }

  #resume(): void {
    if (this.#isOver) return;
    this.#isSuspending = false;
    // Whoever ignored it for this process does not want it to stop.
    if (!isIgnored("SIGTSTP")) process.off("SIGTSTP", this.#onTstp).on("SIGTSTP", this.#onTstp);
    this.#look();
  }

  #look(): void {
    const had = this.#isOurs;
    this.#isOurs = ownsTerminal();
    clearTimeout(this.#timer);
    if (this.#isOurs) {
      for (const user of this.#users) user.take();
      return;
    }
    if (had) for (const user of this.#users) user.lose();
    // A shell that brings a running job to the foreground sends no signal.
    this.#timer = setInterval(() => ownsTerminal() && this.#look(), LOOK_MS);
    this.#timer.unref();
  }
}

/** How long a process may take to stop after its own SIGTSTP. */
const STOP_MS = 100;

const LOOK_MS = 500;
