/** A receiver of notifications, for tests without systemd. @module */

export {
  Message,
  openReceiver,
  type Phase,
  type Problem,
  Receiver,
  type ReceiverOptions,
  type TestUnit,
  type UnitFacts,
  type Verdict,
  type WaitOptions,
} from "./receiver/receiver.ts";
