import { dlopen } from "bun:ffi";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { createMemfd } from "../ffi/process.ts";
import { barrier, loadState, removeFds, saveState } from "../src/index.ts";
import { openReceiver, type Receiver } from "../src/receiver/receiver.ts";
import { clearState, readState, writeState } from "../src/server/state-file.ts";
import { newFds, openFds, ROOT, temporaryDirectory } from "./support/command.ts";
import { runWithFds, startWithFds } from "./support/passed-fds.ts";

let receiver: Receiver;
beforeEach(() => {
  receiver = openReceiver();
  process.env.NOTIFY_SOCKET = receiver.address;
});
afterEach(() => {
  receiver.close();
  delete process.env.NOTIFY_SOCKET;
});

let names = 0;
/** A name that this process has not used. */
const newName = () => `state-${++names}`;

const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);

/** Takes the messages until there are as many, each with the number of its fds. The fds stay open. */
async function take(count: number): Promise<{ sent: string[]; fds: number[] }> {
  const sent: string[] = [];
  const fds: number[] = [];
  for (let i = 0; i < count; i++) {
    const message = await receiver.next();
    sent.push(`${message.text.replaceAll("\n", " ")} ${message.fds.length}`);
    fds.push(...message.fds.splice(0));
  }
  return { sent, fds };
}

/** All that has been sent, to the last message. */
async function history(): Promise<string[]> {
  await barrier();
  return receiver.history.map(({ text }) => text.replaceAll("\n", " "));
}

/** Runs the module as a process of the service, whose fd store has these. */
const restarted = (source: string, fds: number[], names?: string, env = {}) =>
  runWithFds(`const text = (bytes) => bytes && new TextDecoder().decode(bytes);\n${source}`, fds, {
    ...receiver.env,
    ...(names !== undefined && { LISTEN_FDNAMES: names }),
    ...env,
  });

describe("saveState() and loadState()", () => {
  test("keep bytes across a restart, and across the next", async () => {
    const state = crypto.getRandomValues(new Uint8Array(50_000));
    const hash = new Bun.CryptoHasher("sha256").update(state).digest("hex");
    expect(saveState("sessions", state)).toBe(true);
    const { sent, fds } = await take(1);
    expect(sent).toEqual(["FDSTORE=1 FDNAME=sessions 1"]);
    const source = `console.log(new Bun.CryptoHasher("sha256").update(sd.loadState("sessions")).digest("hex"), sd.loadState("other"));`;
    for (let restart = 0; restart < 2; restart++) {
      expect(await restarted(source, fds, "sessions")).toBe(`${hash} undefined\n`);
    }
  });

  test("rewrite one file, which is sent once, in this life and in the next ones", async () => {
    for (let i = 0; i <= 1500; i++) expect(saveState("count", `${i}`)).toBe(true);
    expect(text(loadState("count"))).toBe("1500");
    const { sent, fds } = await take(1);
    expect(sent).toEqual(["FDSTORE=1 FDNAME=count 1"]);
    const source = `
      const before = text(sd.loadState("count"));
      for (let i = 1; i <= 10; i++) sd.saveState("count", String(Number(before) + i));
      console.log(before, text(sd.loadState("count")));`;
    expect(await restarted(source, fds, "count")).toBe("1500 1510\n");
    expect(await restarted(source, fds, "count")).toBe("1510 1520\n");
    // The file is the same one.
    expect(text(loadState("count"))).toBe("1520");
    expect(await history()).toEqual(["FDSTORE=1 FDNAME=count"]);
  });

  test("keep states that grow, shrink and are empty", () => {
    const name = newName();
    let seed = 1;
    const random = (max: number) => {
      seed = (seed * 48271) % 0x7fffffff;
      return seed % max;
    };
    let largest = 0;
    for (let i = 0; i < 500; i++) {
      const length = [0, 1, random(100), random(5000), random(300_000)][i % 5] ?? 0;
      largest = Math.max(largest, length);
      const state = new Uint8Array(length).fill(i);
      saveState(name, state);
      expect(Buffer.compare(loadState(name) ?? Buffer.from("none"), state)).toBe(0);
    }
    const memory = () => fstatSync(memfdOf(name)).blocks * 512;
    expect(memory()).toBeLessThanOrEqual(2 * largest + 5 * 4096);
    saveState(name, new Uint8Array(10e6));
    for (let i = 0; i < 3; i++) saveState(name, "small");
    expect(memory()).toBeLessThan(1e6);
    expect(text(loadState(name))).toBe("small");
  });

  test("take what Bun takes as text, and refuse more than 2 GiB", () => {
    const name = newName();
    saveState(name, "größe \u{1f600}");
    expect(text(loadState(name))).toBe("größe \u{1f600}");
    const large = new Uint8Array(2 ** 31);
    expect(() => saveState(name, large)).toThrow(RangeError);
    delete process.env.NOTIFY_SOCKET;
    expect(() => saveState(name, large)).toThrow("it has 2147483648 bytes, and 2147483647 are allowed");
  });

  test("take any name that the manager takes", async () => {
    for (const name of ["n".repeat(255), `${"n".repeat(254)}m`, "a/../b", "a\\b", "a ", ""]) {
      expect(saveState(name, `state of ${name}`)).toBe(true);
      expect(text(loadState(name))).toBe(`state of ${name}`);
      const message = await receiver.next();
      expect(message.fields.FDNAME).toBe(name);
      expect(await restarted(`console.log(text(sd.loadState(${JSON.stringify(name)})));`, message.fds, name)).toBe(
        `state of ${name}\n`,
      );
      message.close();
    }
  });

  test("open nothing when unsupervised, or when $FDSTORE says that there is no room", async () => {
    const before = openFds();
    delete process.env.NOTIFY_SOCKET;
    expect(saveState(newName(), "x")).toBe(false);
    process.env.NOTIFY_SOCKET = receiver.address;
    process.env.FDSTORE = "0";
    try {
      const name = newName();
      expect(saveState(name, "x")).toBe(false);
      expect(loadState(name)).toBeUndefined();
      process.env.FDSTORE = "1";
      expect(saveState(name, "x")).toBe(true);
      expect(saveState(name, "y")).toBe(true);
      expect(saveState(newName(), "x")).toBe(false);
    } finally {
      delete process.env.FDSTORE;
    }
    for (const fd of (await take(1)).fds) closeSync(fd);
    expect(await history()).toHaveLength(1);
    expect(newFds(before).filter((fd) => fd.includes("memfd"))).toHaveLength(1);
  });

  test("leave nothing open when the manager has gone", () => {
    process.env.NOTIFY_SOCKET = `@nobody-${process.pid}`;
    const before = openFds();
    const name = newName();
    expect(() => saveState(name, "x")).toThrow("Connection refused");
    // Bun's threads open others meanwhile.
    expect(newFds(before).filter((fd) => /memfd|socket|\/proc/.test(fd))).toEqual([]);
    expect(loadState(name)).toBeUndefined();
  });

  test("forget a name that is removed, and send it again", async () => {
    const name = newName();
    const source = (state: string) => `
      const before = text(sd.loadState("${name}"));
      sd.removeFds("${name}");
      console.log(before, sd.loadState("${name}"), sd.saveState("${name}", "${state}"), text(sd.loadState("${name}")));`;
    saveState(name, "one");
    const stored = ["FDSTORE=1 FDNAME=NAME 1", "FDSTOREREMOVE=1 FDNAME=NAME 0", "FDSTORE=1 FDNAME=NAME 1"];
    removeFds(name);
    expect(loadState(name)).toBeUndefined();
    saveState(name, "two");
    const { sent, fds } = await take(3);
    expect(sent).toEqual(stored.map((line) => line.replace(/(?<==)NAME/, name)));
    expect(await restarted(source("three"), fds.slice(-1), name)).toBe("two undefined true three\n");
    expect((await take(2)).sent).toEqual(stored.slice(1).map((line) => line.replace(/(?<==)NAME/, name)));
  });

  test("leave another file alone that has the number of theirs by now", async () => {
    const name = newName();
    saveState(name, "one");
    // The receiver's, which this process has too.
    for (const fd of (await take(1)).fds) closeSync(fd);
    const memfd = memfdOf(name);
    closeSync(memfd);
    const others = [createMemfd("other")];
    while (others.at(-1) !== memfd) others.push(createMemfd("other"));
    expect(loadState(name)).toBeUndefined();
    expect(saveState(name, "two")).toBe(true);
    expect(others.map((other) => fstatSync(other).size)).toEqual(others.map(() => 0));
    for (const other of others) closeSync(other);
  });

  test("read what another program has stored, and put their own file in its place", async () => {
    const raw = createMemfd("raw");
    writeSync(raw, "raw\n");
    const source = `console.log(text(sd.loadState("a")), sd.saveState("a", "ours"), text(sd.loadState("a")), sd.saveState("a", "ours 2"));`;
    expect(await restarted(source, [raw], "a")).toBe("raw\n true ours true\n");
    const { sent, fds } = await take(2);
    expect(sent).toEqual(["FDSTOREREMOVE=1 FDNAME=a 0", "FDSTORE=1 FDNAME=a 1"]);
    expect(readFileSync(`/proc/self/fd/${raw}`, "utf8")).toBe("raw\n");
    expect(await restarted(`console.log(text(sd.loadState("a")));`, [...fds, raw], "a:a")).toBe("ours 2\n");
    expect(await restarted(source, [sealedMemfd("sealed")], "a")).toBe("sealed true ours true\n");
  });

  test("see no state in what is not a file in memory, and leave it in the store", async () => {
    const fds = [openSync(import.meta.path, "r"), openSync("/dev/null", "r")];
    const source = `console.log(sd.loadState("a"), sd.saveState("a", "x"), text(sd.loadState("a")));`;
    expect(await restarted(source, fds, "a:a")).toBe("undefined true x\n");
    expect((await take(1)).sent).toEqual(["FDSTORE=1 FDNAME=a 1"]);
  });

  test("take the one that was saved last, where the store has two of a name", async () => {
    const fds: number[] = [];
    for (const state of ["one", "two", "three"]) {
      await restarted(`sd.saveState("a", "${state}");`, []);
      fds.push(...(await take(1)).fds);
    }
    const [one = -1, two = -1, three = -1] = fds;
    expect(await restarted(`console.log(text(sd.loadState("a")));`, [one, three, two], "a:a:a")).toBe("three\n");
  });

  test("share one file among the threads of a process", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "worker.ts");
    const worker = `
      import { parentPort } from "node:worker_threads";
      import { loadState, saveState } from "${ROOT}src/index.ts";
      const text = (bytes) => bytes && new TextDecoder().decode(bytes);
      parentPort.on("message", ({ name, state }) => parentPort.postMessage([text(loadState(name)), state && saveState(name, state)]));`;
    await Bun.write(path, worker);
    const source = `
      const { Worker } = await import("node:worker_threads");
      const threads = Array.from({ length: 4 }, () => new Worker(${JSON.stringify(path)}));
      const ask = (thread, message) => new Promise((resolve) => { thread.once("message", resolve); thread.postMessage(message); });
      console.log(JSON.stringify(await ask(threads[0], { name: "a", state: "one" })));
      console.log(text(sd.loadState("a")), sd.saveState("a", "two"));
      console.log(JSON.stringify(await ask(threads[1], { name: "a", state: "three" })), text(sd.loadState("a")));
      // All at once, again and again, for a name that is new each time.
      for (let round = 0; round < 20; round++) {
        const name = "race-" + round;
        const states = threads.map((_, i) => String(i).repeat(100_000 + i));
        await Promise.all(threads.map((thread, i) => ask(thread, { name, state: states[i] })));
        if (!states.includes(text(sd.loadState(name)))) console.log("lost", round);
      }
      console.log("end");
      process.exit(0);`;
    expect(await restarted(source, [])).toBe('[null,true]\none true\n["two",true] three\nend\n');
    const stored = (await history()).map((line) => line.replace("FDSTORE=1 FDNAME=", ""));
    expect(stored.sort()).toEqual(["a", ...Array.from({ length: 20 }, (_, i) => `race-${i}`)].sort());
  });

  test("leave a whole state when two processes save at once, and a third one loads it meanwhile", async () => {
    saveState("shared", "0");
    const { fds } = await take(1);
    const source = (digit: string) => `
      for (let i = 0; i < 2000; i++) sd.saveState("shared", "${digit}".repeat(1 + (i * 7919) % 60_000));
      console.log("end");`;
    const reader = `
      const seen = new Set();
      for (let i = 0; i < 3000; i++) {
        const state = text(sd.loadState("shared"));
        if (!/^(0|1+|2+)$/.test(state)) seen.add(state && state.slice(0, 20));
      }
      console.log(JSON.stringify([...seen]));`;
    const sources = [...["1", "2"].map(source), reader];
    expect(await Promise.all(sources.map((source) => restarted(source, fds, "shared")))).toEqual([
      "end\n",
      "end\n",
      "[]\n",
    ]);
    expect(text(loadState("shared"))).toMatch(/^(1+|2+)$/);
    expect(loadState("shared")).toHaveLength(1 + ((1999 * 7919) % 60_000));
  });

  test("work on a file that was passed where libc can't be called", async () => {
    const name = newName();
    saveState(name, "one");
    const { fds } = await take(1);
    const source = `
      console.log(text(sd.loadState("${name}")), sd.saveState("${name}", "two"));
      try { sd.saveState("new", "x"); } catch (error) { console.log(error.code); }`;
    expect(await restarted(source, fds, name, { BUN_JSC_useJIT: "0" })).toBe("one true\nERR_FFI_UNAVAILABLE\n");
    expect(text(loadState(name))).toBe("two");
  });

  test("throw the system's error when there is no space, and keep the old state", async () => {
    const name = newName();
    saveState(name, "older");
    saveState(name, "old");
    const { fds } = await take(1);
    // RLIMIT_FSIZE stands in for a full memory: the write goes as far as it can.
    const source = `
      const text = (bytes) => String.fromCharCode(...bytes);
      const save = (state) => {
        try { return sd.saveState("${name}", state); }
        catch (error) { return [error.name, error.code, error.errno, error.syscall].join(" "); }
      };
      console.log(save(new Uint8Array(5_000_000).fill(1)), text(sd.loadState("${name}")));
      console.log(save("new"), text(sd.loadState("${name}")));
      console.log(save("newer"), text(sd.loadState("${name}")));`;
    const limited = startWithFds(source, fds, { ...receiver.env, LISTEN_FDNAMES: name }, "ulimit -f 2000");
    expect(await limited.stdout.text()).toBe(
      "SystemError EFBIG 27 pwritev old\ntrue new\nSystemError EFBIG 27 pwritev new\n",
    );
  });

  test("are not blocked by a worker that is terminated while it saves", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "worker.ts");
    await Bun.write(
      path,
      `import { saveState } from "${ROOT}src/index.ts";
      for (let i = 0; ; i++) {
        saveState("a", "w".repeat(1 + (i * 7919) % 100_000));
        if (i === 0) postMessage("saving");
      }`,
    );
    const source = `
      const { readdirSync } = await import("node:fs");
      let slowest = 0;
      let before = 0;
      for (let i = 0; i < 40; i++) {
        const worker = new Worker(${JSON.stringify(path)});
        await new Promise((resolve) => { worker.onmessage = resolve; });
        await Bun.sleep(Math.random() * 3);
        const closed = new Promise((resolve) => worker.addEventListener("close", resolve));
        worker.terminate();
        await closed;
        if (!/^(w+|main)$/.test(text(sd.loadState("a")))) console.log("lost");
        const start = performance.now();
        sd.saveState("a", "main");
        slowest = Math.max(slowest, performance.now() - start);
        if (text(sd.loadState("a")) !== "main") console.log("not saved");
        if (i === 9) before = readdirSync("/proc/self/fd").length;
      }
      console.log(slowest < 500, readdirSync("/proc/self/fd").length - before < 10);
      process.exit(0);`;
    expect(await restarted(source, [])).toBe("true true\n");
    expect(await history()).toEqual(["FDSTORE=1 FDNAME=a"]);
  }, 20_000);
});

describe("a state", () => {
  test("is the old one or the new one, wherever a save is cut off, and the save after that", () => {
    const memfd = createMemfd("cut");
    const scratch = createMemfd("image");
    const [length, places] = [25_000, [0, 2 ** 31 + 4096]];
    const read = (fd: number) => places.map((place) => readAt(fd, place, length));
    const write = (fd: number, halves: Uint8Array[]) =>
      places.forEach((place, half) => {
        writeSync(fd, halves[half] ?? new Uint8Array(), 0, length, place);
      });
    /** What a save leaves that is cut off: the half that it has changed, up to there, and all the rest as before. */
    const cut = (before: Uint8Array[], after: Uint8Array[], bytes: number) => {
      const changed = Buffer.compare(before[0] ?? Buffer.of(), after[0] ?? Buffer.of()) === 0 ? 1 : 0;
      return before.map((half, i) => {
        const image = new Uint8Array(half);
        if (i === changed) image.set(after[i]?.subarray(0, bytes) ?? []);
        return image;
      });
    };
    clearState(memfd);
    writeState(memfd, Buffer.from("first"));
    let old: Uint8Array = Buffer.from("first");
    let cuts = 0;
    for (const [i, size] of [3, 0, 10, 200, 5, 1000, 90, 5000, 1, 1, 20_000, 300].entries()) {
      const state = crypto.getRandomValues(new Uint8Array(size)).fill(i, 0, 1);
      const before = read(memfd);
      writeState(memfd, state);
      const after = read(memfd);
      const total = 32 + size;
      for (let bytes = 0; bytes <= total; bytes += bytes < 40 || bytes > total - 10 ? 1 : 9 + Math.floor(total / 60)) {
        cuts++;
        const image = cut(before, after, bytes);
        write(scratch, image);
        const expected = bytes === total || Buffer.compare(old, state) === 0 ? state : old;
        // A state that ends in the bytes which were there before is whole sooner.
        const got = readState(scratch);
        if (Buffer.compare(got ?? Buffer.from("none"), state) !== 0 || size > 5)
          expect(got).toEqual(new Uint8Array(expected));
        const found = new Uint8Array(got ?? []);
        writeState(scratch, Buffer.from("next"));
        const next = read(scratch);
        expect(text(readState(scratch))).toBe("next");
        for (const again of [0, 20, 32, 35]) {
          write(scratch, cut(image, next, again));
          expect(readState(scratch)).toEqual(found);
        }
      }
      old = state;
    }
    expect(cuts).toBeGreaterThan(600);
    closeSync(memfd);
    closeSync(scratch);
  });

  // `SD_NOTIFY_KILLS=1000 bun test test/saved-state.test.ts` takes half a minute.
  const kills = Number(process.env.SD_NOTIFY_KILLS ?? 50);
  test(
    `is not lost when the process is killed at ${kills} random moments of its saves`,
    async () => {
      // A state says which it is, and is long and short in turn. What is printed has been saved.
      const source = `
        const { writeSync } = await import("node:fs");
        const stateOf = (i) => Buffer.alloc(8 + (i * 7919) % 300_000, i & 0xff).fill(String(i).padStart(8), 0, 8);
        const loaded = sd.loadState("jobs");
        let i = loaded === undefined ? 0 : Number(Buffer.from(loaded).toString("latin1", 0, 8));
        const whole = loaded === undefined || Buffer.compare(loaded, stateOf(i)) === 0;
        writeSync(1, "loaded " + (whole ? i : "broken") + "\\n");
        for (;;) { sd.saveState("jobs", stateOf(++i)); writeSync(1, i + "\\n"); }`;
      let saved = 0;
      let lost = 0;
      /** How many have not come to save. */
      let unsaved = 0;
      let fds: number[] = [];
      for (let kill = 0; kill < kills; kill++) {
        const child = startWithFds(source, fds, {
          ...receiver.env,
          ...(fds.length > 0 && { LISTEN_FDNAMES: "jobs" }),
        });
        let output = "";
        const decoder = new TextDecoder();
        const reading = (async () => {
          for await (const chunk of child.stdout) output += decoder.decode(chunk, { stream: true });
        })();
        while (!output.includes("\n") && child.exitCode === null) await Bun.sleep(1);
        // The first one is killed when it has just begun.
        await Bun.sleep(kill === 0 ? 0 : Math.random() * 20);
        child.kill("SIGKILL");
        await child.exited;
        await reading;
        const lines = output.split("\n").slice(0, -1);
        const [, loaded] = /^loaded (\d+)$/.exec(lines[0] ?? "") ?? [];
        // The last save may have been complete, though nobody was told.
        if (loaded === undefined || Number(loaded) < saved || Number(loaded) > saved + 1) lost++;
        saved = Number(lines.at(-1)?.replace("loaded ", "") ?? 0);
        if (saved === 0) unsaved++;
        await barrier();
        if (receiver.history.length > 0 && fds.length === 0) fds = (await receiver.next()).fds.splice(0);
      }
      expect({ lost, saves: saved > kills }).toEqual({ lost: 0, saves: true });
      // One that is killed before its first save is complete has the next one send the file again, which PID 1 knows.
      expect(receiver.history.length).toBeLessThanOrEqual(1 + unsaved);
    },
    kills * 2000,
  );
});

// --- internal ---

function readAt(fd: number, place: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  readSync(fd, bytes, 0, length, place);
  return bytes;
}

/** The number of this process' file in memory for a name. */
function memfdOf(name: string): number {
  const fd = openFds().find((fd) => fd.endsWith(`/memfd:sd-notify-state:${name} (deleted)`));
  return Number.parseInt(fd ?? "-1", 10);
}

/** A file in memory that can't be written any more: fcntl(2), F_ADD_SEALS. */
function sealedMemfd(content: string): number {
  const { symbols } = dlopen("libc.so.6", {
    memfd_create: { args: ["cstring", "u32"], returns: "i32" },
    fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  });
  const [MFD_ALLOW_SEALING, F_ADD_SEALS, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE] = [2, 1033, 2, 4, 8];
  const fd = symbols.memfd_create("sealed", MFD_ALLOW_SEALING);
  writeSync(fd, content);
  expect(symbols.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)).toBe(0);
  return fd;
}
