import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { notify } from "../src/index.ts";
import { openReceiver } from "../src/receiver/receiver.ts";
import { compileHostile, noCompiler } from "./support/c.ts";
import { BUN, isRoot, missing, ROOT, run, runModule, temporaryDirectory, titled } from "./support/command.ts";

const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
const noNobody = isRoot ? missing("setpriv") : "it takes root";
const noNamespace = isRoot ? missing("unshare", "mount") : "it takes root";

/** Prints the address of a receiver, and waits to be killed. */
const RECEIVER = `
  import { openReceiver } from "${ROOT}src/receiver/receiver.ts";
  console.log(openReceiver().address);
  setInterval(() => {}, 1000);`;

/** Prints the address of a receiver that has taken a message of its own process, and ends without closing it. */
const ONCE = `
  import { notify } from "../src/index.ts";
  import { openReceiver } from "../src/receiver/receiver.ts";
  const receiver = openReceiver();
  notify({ ready: true }, { socket: receiver.address });
  await receiver.waitFor({ ready: true });
  console.log(receiver.address);
  process.exit();`;

async function startReceiver(env: Record<string, string> = {}) {
  const child = Bun.spawn([BUN, "-e", RECEIVER], { stdout: "pipe", env: { ...process.env, ...env } });
  const { value } = await child.stdout.getReader().read();
  return { child, address: new TextDecoder().decode(value).trim() };
}

const directory = temporaryDirectory();
let hostile = "";

beforeAll(async () => {
  if (!noCompiler) hostile = await compileHostile(directory.path);
});

afterAll(() => directory[Symbol.dispose]());

describe("the address of a receiver", () => {
  test("is a path that senders can use, in a directory that others enter but can't list", () => {
    const receiver = openReceiver();
    const { address } = receiver;
    expect(address).toMatch(/^\/.*\/sd-notify\.\w{6}\/[\w-]{22}$/);
    expect(address.length).toBeLessThan(108);
    expect(lstatSync(dirname(address)).mode & 0o7777).toBe(0o711);
    expect(lstatSync(address).mode & 0o7777).toBe(0o666);
    expect(lstatSync(address).isSocket()).toBe(true);
    notify({ ready: true }, { socket: address });
    receiver.close();
    expect(existsSync(dirname(address))).toBe(false);
  });

  test("does not stand in /proc/net/unix", () => {
    using receiver = openReceiver();
    const names = readFileSync("/proc/net/unix", "latin1");
    expect(names).toContain(dirname(receiver.address));
    expect(names).not.toContain(basename(receiver.address));
  });

  test.skipIf(Boolean(noNobody || noCompiler))(
    titled("is of use to another user who was told it, and to no other", noNobody ?? noCompiler),
    async () => {
      using receiver = openReceiver();
      const { address } = receiver;
      expect((await run([...NOBODY, "ls", dirname(address)])).code).not.toBe(0);
      for (const name of ["socket", ".", ""]) {
        const { code, stderr } = await run([...NOBODY, hostile, "open", `${dirname(address)}/${name}`]);
        expect({ code, stderr }).not.toMatchObject({ code: 0 });
      }
      expect((await run([...NOBODY, hostile, "open", address])).code).toBe(0);
      expect(await receiver.next()).toMatchObject({ text: "READY=1", uid: 65534 });
    },
  );

  test.skipIf(Boolean(noCompiler))(
    titled("can be given with the length of the whole struct, as sshd does", noCompiler),
    async () => {
      using receiver = openReceiver();
      expect(await run([hostile, "open", receiver.address])).toMatchObject({ code: 0, stderr: "" });
      expect((await receiver.next()).text).toBe("READY=1");
    },
  );
});

describe("the directory of a receiver goes", () => {
  test("when the program ends without closing it", async () => {
    const { stdout } = await runModule(ONCE);
    expect(stdout).toStartWith("/");
    expect(existsSync(dirname(stdout.trim()))).toBe(false);
  });

  test("after SIGKILL, when the next program opens one; and no other's does", async () => {
    using place = temporaryDirectory();
    chmodSync(place.path, 0o711);
    // As a user for whom $TMPDIR is the first place: root has /run.
    const env = { TMPDIR: place.path };
    const [killed, living] = await Promise.all([startReceiver(env), startReceiver(env)]);
    const parent = dirname(dirname(killed.address));
    killed.child.kill("SIGKILL");
    await killed.child.exited;
    expect(existsSync(killed.address)).toBe(true);
    const others = ["sd-notify.abcdef", "sd-notify.ABCDEF", "sd-notify-abcdef"].map((name) => join(parent, name));
    const [full = "", foreign = "", unnamed = ""] = others;
    try {
      for (const other of others) mkdirSync(other);
      await Bun.write(join(full, "file"), "");
      if (isRoot) chownSync(foreign, 65534, 65534);
      expect((await runModule(ONCE, { env })).stdout).toStartWith("/");
      expect(existsSync(dirname(killed.address))).toBe(false);
      expect(existsSync(living.address)).toBe(true);
      for (const other of [full, ...(isRoot ? [foreign] : []), unnamed]) expect(existsSync(other)).toBe(true);
    } finally {
      living.child.kill("SIGTERM");
      await living.child.exited;
      await run(["rm", "-rf", "--", ...others, dirname(living.address)]);
    }
  });

  test("without harm to those that others open at the same time", async () => {
    const results = await Promise.all(Array.from({ length: 12 }, () => runModule(ONCE)));
    for (const { code, stdout, stderr } of results) {
      expect({ code, stdout: stdout.slice(0, 1), stderr }).toEqual({ code: 0, stdout: "/", stderr: "" });
      expect(existsSync(dirname(stdout.trim()))).toBe(false);
    }
  }, 30_000);
});

describe("the place of a receiver is", () => {
  /** Where a receiver of uid 65534 is, with an environment. */
  const placeFor = async (env: Record<string, string>) => {
    const { stdout, stderr } = await runModule(ONCE, { prefix: NOBODY, env });
    expect(stderr).toBe("");
    return dirname(dirname(stdout.trim()));
  };

  test.skipIf(Boolean(noNobody))(
    titled("$TMPDIR, if nobody else can replace what is there", noNobody),
    async () => {
      using place = temporaryDirectory();
      const make = (name: string, mode: number, uid = 65534) => {
        const path = join(place.path, name);
        mkdirSync(path, { recursive: true });
        chmodSync(path, mode);
        chownSync(path, uid, uid);
        return path;
      };
      chmodSync(place.path, 0o755);
      expect(await placeFor({ TMPDIR: make("own", 0o755) })).toBe(join(place.path, "own"));
      expect(await placeFor({ TMPDIR: make("sticky", 0o1777, 0) })).toBe(join(place.path, "sticky"));
      symlinkSync("own", join(place.path, "link"));
      expect(await placeFor({ TMPDIR: join(place.path, "link") })).toBe(join(place.path, "own"));
      for (const refused of [
        make("shared", 0o777),
        make("of-another", 0o1777, 1),
        make("read-only", 0o755, 0),
        make("private", 0o700, 0),
        make("long".repeat(20), 0o755),
        join(make("of-another-above", 0o755, 1), "../of-another-above/x"),
        "/nonexistent",
        "relative",
        "",
      ]) {
        expect(await placeFor({ TMPDIR: refused })).toBe("/tmp");
      }
      // Others can't enter these: they are for want of a better one.
      const own = make("closed", 0o700);
      expect(await placeFor({ TMPDIR: own, XDG_RUNTIME_DIR: own })).toBe("/tmp");
    },
    30_000,
  );

  test.skipIf(!isRoot)(titled("/run for root", isRoot ? undefined : "it takes root"), () => {
    using receiver = openReceiver();
    expect(dirname(dirname(receiver.address))).toBe("/run");
  });

  test.skipIf(Boolean(noNamespace))(
    titled("an abstract name where no directory can be written, and the monitor says so", noNamespace),
    async () => {
      const hide = ["/run", "/tmp", "/dev/shm"].map((path) => `mount -t tmpfs -o ro none ${path}`);
      // The checkout may be below one of them.
      const script = [`mount --bind ${ROOT} /mnt`, ...hide, "cd /mnt", 'exec "$@"'].join(" && ");
      const result = await run([
        ...["unshare", "--mount", "sh", "-c", script, "sh"],
        ...["dist/sd-notify", "monitor", "--json", "--notify-access=all", "--until=ready", "--"],
        ...["sh", "-c", "/mnt/dist/sd-notify --ready; sleep 100"],
      ]);
      expect(result).toMatchObject({
        code: 0,
        stderr:
          "sd-notify: monitor: no directory for a socket was found, so every user of this machine can send to it\n",
      });
      expect(result.stdout).toMatch(/"socket":"@sd-notify-[\w-]{22}"/);
    },
  );
});

test("a receiver leaves nothing when it can't be opened", () => {
  const list = () => readdirSync("/proc/self/fd").length;
  const before = list();
  for (let i = 0; i < 3; i++)
    expect(() => openReceiver({ address: "/nonexistent/socket" })).toThrow("No such file or directory");
  expect(list()).toBe(before);
});
