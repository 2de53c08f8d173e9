/** openReceiver(): whatever is sent arrives as it was sent, once, and leaves nothing open. */

import { decode } from "../../../src/protocol/decode.ts";
import { type Message, openReceiver } from "../../../src/receiver/receiver.ts";
import { anyDatagram, type Datagram, Sender } from "../datagrams.ts";
import { assert, assertEqual, type Target } from "../target.ts";
import { checkVerdict } from "./verdict.ts";

export const receiver: Target<Datagram> = {
  make: anyDatagram,
  open() {
    const receiver = openReceiver({ barriers: "hold", keepHistory: false, unit: { type: "notify", fdStoreMax: 3 } });
    const sender = new Sender(receiver.address);
    return {
      async check(datagram) {
        const from = sender.send(datagram, process.ppid);
        using message = await receiver.next();
        assertEqual({ pid: message.pid, uid: message.uid, gid: message.gid }, from, "the sender");
        check(message, datagram);
      },
      close() {
        sender[Symbol.dispose]();
        receiver.close();
      },
    };
  },
};

// --- internal ---

function check(message: Message, { bytes, files }: Datagram): void {
  assertEqual(message.bytes, bytes, "the bytes");
  assertEqual([message.fds.length, message.truncated], [files.length, false], "the fds");
  const { text, fields, state, verdict } = message;
  assert(text.isWellFormed(), "no text", text);
  checkVerdict(verdict, bytes);
  JSON.stringify({ fields, state, verdict });
  assertEqual(state, decode(text), "the state");
  const isBarrier =
    verdict.effects[0]?.startsWith("closes the fd") || /^BARRIER=1 comes with/.test(verdict.problems[0]?.why ?? "");
  const isSeen = verdict.problems[0]?.what !== "" || isBarrier;
  if (isSeen) assertEqual(message.isBarrier, isBarrier, "whether it is a barrier");
  const keys = Object.keys(state.extra ?? {});
  assert(
    keys.every((key) => Object.hasOwn(fields, key)),
    "fields and state differ",
    fields,
    state,
  );
  message.close();
  assertEqual(message.fds, [], "the fds after close()");
}
