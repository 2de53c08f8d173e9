/** A notification as a receiver sees it. */

import { decode } from "../protocol/decode.ts";
import type { State } from "../protocol/state.ts";
import { decodeText, isBarrier, readAssignments } from "../protocol/wire.ts";
import { judge } from "../verdict/judge.ts";
import type { UnitFacts, Verdict } from "../verdict/types.ts";
import type { Arrival } from "./batch.ts";
import { closeQuietly } from "./close-quietly.ts";

/**
 * The unit that a receiver stands for. A fact that is undefined decides nothing.
 *
 * @example
 * const unit: TestUnit = { type: "notify", notifyAccess: "main", fdStoreMax: 1 };
 * using receiver = openReceiver({ unit });
 */
export interface TestUnit extends UnitFacts {
  /** The main process. Default: the sender of a message. */
  mainPid?: number | undefined;
}

/**
 * A notification. Whoever takes it must close its file descriptors, by `using` or close().
 *
 * @example
 * using receiver = openReceiver();
 * notify({ ready: true, extra: { X_COLOUR: "green" } }, { socket: receiver.address });
 * using message: Message = await receiver.next();
 * console.log(message.state.ready, message.fields.X_COLOUR, message.pid === process.pid);
 */
export class Message implements Disposable {
  /** The message as text. Bytes that are not UTF-8 become U+FFFD. */
  readonly text: string;
  /** The message as it was sent. */
  readonly bytes: Uint8Array;
  /**
   * The sender. `pid` is 0 if it is in another pid namespace; `uid` and `gid` are 65534 if it is in another user
   * namespace.
   */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** The file descriptors that came along; empty once they are closed. */
  readonly fds: number[];
  /** Whether bytes or file descriptors of it were lost because it was too long. */
  readonly truncated: boolean;
  /** When it was received: CLOCK_MONOTONIC in microseconds, like MONOTONIC_USEC=. */
  readonly receivedUsec: number;

  #fields: Record<string, string> | undefined;
  #state: State | undefined;
  readonly #unit: TestUnit;
  readonly #fdCount: number;

  constructor({ data, credentials, fds, receivedUsec, truncated }: Arrival, unit: TestUnit = {}) {
    this.bytes = data;
    this.text = decodeText(data);
    this.pid = credentials?.pid ?? 0;
    this.uid = credentials?.uid ?? 65534;
    this.gid = credentials?.gid ?? 65534;
    this.fds = [...fds];
    this.receivedUsec = receivedUsec;
    this.truncated = truncated;
    this.#unit = unit;
    this.#fdCount = fds.length;
  }

  /** The assignments, by key. As in PID 1, the first of two equal keys wins. */
  get fields(): Record<string, string> {
    this.#fields ??= Object.fromEntries(readAssignments(this.text));
    return this.#fields;
  }

  /** The assignments as the object that notify() takes. */
  get state(): State {
    this.#state ??= decode(this.text);
    return this.#state;
  }

  /**
   * What systemd would do with the message, in the unit that openReceiver() was given: what it would ignore, why, and
   * what cures it.
   *
   * @example
   * using receiver = openReceiver({ unit: { type: "notify-reload" } });
   * notify({ ready: true }, { socket: receiver.address });
   * const message = await receiver.waitFor({ ready: true });
   * if (message.verdict.problems.length > 0) throw new Error(message.verdict.problems[0]?.why);
   */
  get verdict(): Verdict {
    const { pid, uid } = this;
    const { mainPid } = this.#unit;
    const role = mainPid === undefined || mainPid === pid ? "main" : "member";
    return judge({ bytes: this.bytes, fdCount: this.#fdCount, sender: { pid, uid, role } }, this.#unit);
  }

  /** Whether this is a barrier. Its sender waits until its file descriptor is closed. */
  get isBarrier(): boolean {
    return isBarrier(this.text);
  }

  /** Closes the file descriptors. */
  close(): void {
    closeQuietly(this.fds.splice(0));
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
