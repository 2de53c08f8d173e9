import { afterEach, describe, expect, test } from "bun:test";
import { sendSync } from "./support/fill.ts";
import { openReceiver, type Receiver, within } from "./support/receiver.ts";
import { endPrograms, serve, start } from "./support/server.ts";

afterEach(endPrograms);

/** Fills the queue of a receiver that does not read. */
function fill(receiver: Receiver): void {
  receiver.pause();
  sendSync(receiver.address);
}

/** The next message that is not one of those that filled the queue. */
async function next(receiver: Receiver): Promise<string> {
  for (;;) {
    const { text } = await receiver.next();
    if (text !== "X_FILL=1" && text !== "WATCHDOG=1") return text;
  }
}

describe("a manager that does not read", () => {
  test("stops no server: it answers, reloads and stops; what counts is told when there is room", async () => {
    await using receiver = await openReceiver();
    fill(receiver);
    const child = start(
      `${serve(
        `{ status: () => "x".repeat(10) + Math.random(), statusIntervalMs: 5, reload: () => console.log("reloaded") }`,
      )}
       console.log(server.url.href);`,
      { env: { NOTIFY_SOCKET: receiver.address } },
      { env: { WATCHDOG_USEC: "20000" } },
    );
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const url = (await lines.read()).value?.trim() ?? "";
    for (let i = 0; i < 20; i++) {
      await Bun.sleep(20);
      const answer = fetch(url).then((response) => response.text());
      expect(await within(2000, answer, () => "the server does not answer")).toBe("x");
    }
    child.kill("SIGHUP");
    expect((await within(2000, lines.read(), () => "the server does not reload")).value).toBe("reloaded\n");
    receiver.resume();
    expect(await next(receiver)).toMatch(/^READY=1\nSTATUS=Listening on /);
    const rest = [await next(receiver), await next(receiver), await next(receiver)].map((text) => text.split("\n")[0]);
    // One status at most was waiting, wherever it stood.
    expect(rest.filter((line) => !line?.startsWith("STATUS="))).toEqual(["RELOADING=1", "READY=1"]);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("keeps no server from its end", async () => {
    await using receiver = await openReceiver();
    fill(receiver);
    const child = start(`${serve()} console.log("here");`, { env: { NOTIFY_SOCKET: receiver.address } });
    await child.stdout.getReader().read();
    child.kill("SIGTERM");
    expect(await within(3000, child.exited, () => "it does not end")).toBe(0);
  });
});
