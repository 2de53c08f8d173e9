import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { MonitorEvent } from "../src/tools/monitor/events.ts";
import { page } from "../src/tools/monitor/report/page.ts";
import { Recording } from "../src/tools/monitor/report/recording.ts";
import { descendants } from "../src/tools/unit/processes.ts";
import { ROOT, run, temporaryDirectory, titled } from "./support/command.ts";

const MONITOR = [`${ROOT}dist/sd-notify`, "monitor"];
const directory = temporaryDirectory();
const file = (name: string) => `${directory.path}/${name}`;

/** A life with all that a report shows, in two seconds. */
const LIFE = `
trap '$N --reloading; $N --ready --status=reloaded' HUP
trap '$N --stopping; exit 0' TERM
$N --ready --status='<script>alert(1)</script>&lt;"'"'"'</pre>'
$N --no-block WATCHDOG=1; sleep 0.2; $N --no-block WATCHDOG=1; sleep 0.35; $N --no-block WATCHDOG=1
$N REDY=1
kill -HUP $$
(sleep 0.7; kill $$) &
while :; do sleep 5 & wait $!; done`;

beforeAll(async () => {
  const options = ["--type=notify-reload", "--notify-access=all", "--watchdog=0.5", "--json"];
  const command = [...MONITOR, ...options, `--report=${file("life.html")}`, "--", "sh", "-c", LIFE];
  const { code, stdout } = await run(command, { env: { N: `${ROOT}dist/sd-notify` } });
  expect(code).toBe(0);
  writeFileSync(file("events.ndjson"), stdout);
}, 30_000);

afterAll(() => directory[Symbol.dispose]());

/** What a page is made of: elements, and the values of attributes that load something or run. */
function parse(markup: string) {
  const elements = new Map<string, number>();
  const links = new Set<string>();
  const handlers: string[] = [];
  new HTMLRewriter()
    .on("*", {
      element(element) {
        elements.set(element.tagName, (elements.get(element.tagName) ?? 0) + 1);
        for (const [name = "", value = ""] of element.attributes) {
          if (name === "href" || name === "src") links.add(value.replace(/^#e\d+$/, "#e"));
          if (name.startsWith("on") || name === "style" || name === "srcset") handlers.push(name);
        }
      },
    })
    .transform(markup);
  return { elements, links: [...links].sort(), handlers };
}

/** What is made of no text of an event. */
const ELEMENTS =
  "a,b,body,circle,code,dd,div,dl,dt,footer,h1,h2,head,header,html,i,li,line,link,main,meta,ol,p,path,pre,rect,script,section,span,strong,style,svg,text,time,title,ul".split(
    ",",
  );

describe("--report", () => {
  test("writes a page that holds all that happened", () => {
    const text = readFileSync(file("life.html"), "utf8");
    expect(text).toStartWith("<!doctype html>");
    for (const part of [
      "Life of <code>sh -c",
      "activating → active",
      "active → reloading",
      "active → deactivating",
      "&lt;script&gt;alert(1)&lt;/script&gt;&amp;lt;&quot;&#39;&lt;/pre&gt;",
      "ignored <code>REDY=1</code>, because the service manager knows no such key",
      "cure: <code>READY=1</code>",
      "no ping for 500 ms",
      "Smallest margin",
    ])
      expect(text).toContain(part);
  });

  test("is the same of a recording", async () => {
    const command = [...MONITOR, `--replay=${file("events.ndjson")}`, `--report=${file("again.html")}`];
    expect(await run(command)).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(readFileSync(file("again.html"), "utf8")).toBe(readFileSync(file("life.html"), "utf8"));
  });

  test("loads nothing, and runs nothing but its own script", () => {
    const text = readFileSync(file("life.html"), "utf8");
    const { elements, links, handlers } = parse(text);
    expect(elements.get("script")).toBe(1);
    expect(elements.get("style")).toBe(1);
    expect({ links, handlers }).toEqual({ links: ["#e", "data:,"], handlers: [] });
    expect([...elements.keys()].filter((name) => !ELEMENTS.includes(name))).toEqual([]);
    const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(text) ?? [];
    expect(policy).toMatch(
      /^default-src &#39;none&#39;; style-src &#39;sha256-\S+&#39;; script-src &#39;sha256-\S+&#39;; img-src data:; base-uri &#39;none&#39;; form-action &#39;none&#39;$/,
    );
  });

  test("shows any text of any event as text", () => {
    const nasty =
      "</title></style></script><script>x()</script><img src=x onerror=x()>\"'`$&amp;<!--\u202e\0\x1b[31m]]>";
    const recording = new Recording();
    for (const line of readFileSync(file("events.ndjson"), "utf8").trimEnd().split("\n")) {
      const words = new Set(["event", "role", "phase", "from", "to"]);
      const poison = (key: string, value: unknown) =>
        typeof value !== "string" || words.has(key) ? value : key === "text" ? `${value}\n${nasty}` : nasty;
      const event = JSON.parse(line, poison) as MonitorEvent;
      if (event.event === "started") event.command = event.command.map(() => nasty);
      if (event.event === "message") event.verdict.problems.push({ what: nasty, why: nasty, cure: nasty });
      recording.add(event);
    }
    recording.flush();
    const { elements, links, handlers } = parse(page(recording));
    expect(elements.get("script")).toBe(1);
    expect({ links, handlers }).toEqual({ links: ["#e", "data:,"], handlers: [] });
    expect([...elements.keys()].filter((name) => !ELEMENTS.includes(name))).toEqual([]);
    for (const character of ["\u202e", "\0", "\x1b"]) expect(page(recording)).not.toContain(character);
  });

  test("of a very long life has its beginning, its end and the worst pings", () => {
    const recording = new Recording();
    const sender = { pid: 7, uid: 0, role: "main", name: "x" } as const;
    const message = { receivedUsec: 1, fds: [], verdict: { effects: [], problems: [] } };
    recording.add({ event: "phase", timeUsec: 1, from: "inactive", to: "active" });
    for (let i = 1; i <= 100_000; i++) {
      const common = { event: "message" as const, timeUsec: i * 1e6, sender, ...message };
      recording.add({ ...common, text: `STATUS=${i}` });
      const afterUsec = i === 77_777 ? 9e6 : 1e6;
      recording.add({ ...common, text: "WATCHDOG=1", ping: { afterUsec, timeoutUsec: 10e6, late: afterUsec > 6e6 } });
    }
    recording.flush();
    const text = page(recording);
    expect(text.length).toBeLessThan(4e6);
    expect(text).toContain("<pre>STATUS=1</pre>");
    expect(text).toContain("<pre>STATUS=100000</pre>");
    expect(text).toMatch(/… \d+ entries are left out here/);
    expect(text).toContain("ping 9 s after the last, of 10 s");
  });

  test("of messages with very many mistakes counts them, and stays small", () => {
    const recording = new Recording();
    const sender = { pid: 7, uid: 0, role: "main", name: "x" } as const;
    const problems = Array.from({ length: 2000 }, (_, i) => ({ what: `A${i}=`, why: "nobody knows it" }));
    for (let i = 1; i <= 5000; i++) {
      const event = {
        event: "message" as const,
        timeUsec: i,
        sender,
        text: "A\n".repeat(2000),
        receivedUsec: i,
        fds: [],
      };
      recording.add({ ...event, verdict: { effects: [], problems } });
    }
    recording.flush();
    const text = page(recording);
    expect(text.length).toBeLessThan(40e6);
    expect(text).toContain("<code>A0=</code> 5000 times, because nobody knows it");
    expect(text).toContain("… and 1990 more are ignored");
  });

  test("is written too if the command can't be executed", async () => {
    const path = file("failed.html");
    const { code } = await run([...MONITOR, `--report=${path}`, "--", "/nowhere/at-all"]);
    expect(code).toBe(3);
    expect(readFileSync(path, "utf8")).toContain("it can&#39;t be executed");
  });

  test("starts nothing if it can't be written", async () => {
    const mark = file("started");
    const { code, stdout, stderr } = await run([...MONITOR, "--report=/nowhere/life.html", "--", "touch", mark]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toBe(
      "sd-notify: monitor: --report=/nowhere/life.html: it can't be written: ENOENT: no such file or directory, open '/nowhere/life.html'\n",
    );
    expect(existsSync(mark)).toBe(false);
  });
});

describe("--replay", () => {
  const replay = (text: string, ...options: string[]) => {
    writeFileSync(file("replayed"), text);
    return run([...MONITOR, `--replay=${file("replayed")}`, ...options]);
  };

  test("shows a recording as it was", async () => {
    const events = readFileSync(file("events.ndjson"), "utf8");
    expect(await replay(events, "--json")).toMatchObject({ code: 0, stdout: events, stderr: "" });
    const { code, stdout, stderr } = await replay(events);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^ {2}\d\.\d{3} s {2}started sh -c/);
    expect(stdout).toMatch(/timeline\n[\s\S]*; ended\n$/);
  });

  test("takes a recording that was cut off", async () => {
    const events = readFileSync(file("events.ndjson"), "utf8");
    const { code, stdout, stderr } = await replay(events.slice(0, -20), `--report=${file("cut.html")}`);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(readFileSync(file("cut.html"), "utf8")).toContain("the recording ends while it is inactive");
  });

  test.each([
    ["", "it is empty"],
    ["READY=1\n", "line 1 is no event of monitor --json: it is no JSON"],
    ["{}\n", "line 1 is no event of monitor --json: timeUsec is no number"],
    ['{"timeUsec":1e999,"event":"fd"}\n', "line 1 is no event of monitor --json: timeUsec is no number"],
    ['{"timeUsec":1,"event":7}\n', "line 1 is no event of monitor --json: event is no string"],
    [
      '{"timeUsec":1,"event":"later"}\n{"timeUsec":1,"event":"phase","from":"inactive","to":"<b>"}\n',
      "line 2 is no event of monitor --json: to is none of activating, active, reloading, deactivating, inactive, failed",
    ],
    [
      '{"timeUsec":1,"event":"end","timeline":{},"messages":1,"ignored":0,"status":0,"why":""}\n',
      "line 1 is no event of monitor --json: timeline is no array",
    ],
  ])("says of %j what is wrong", async (text, why) => {
    expect(await replay(text)).toMatchObject({
      code: 1,
      stdout: "",
      stderr: `sd-notify: monitor: --replay=${file("replayed")}: ${why}\n`,
    });
  });

  test.each([
    [["--", "true"], "--replay starts no command"],
    [["--strict"], "--strict is for a command, and --replay starts none"],
  ])("with %j is a mistake", async (options, why) => {
    expect(await replay("", ...options)).toMatchObject({ code: 1, stderr: `sd-notify: monitor: ${why}\n` });
  });

  test("says that the file can't be read", async () => {
    const { code, stderr } = await run([...MONITOR, "--replay=/nowhere"]);
    expect(code).toBe(1);
    expect(stderr).toStartWith("sd-notify: monitor: --replay=/nowhere: it can't be read: ");
  });
});

const chromium = ["chromium", "chromium-browser", "google-chrome"].map((name) => Bun.which(name)).find((path) => path);
const noChromium = chromium ? undefined : "no chromium here";

describe.skipIf(Boolean(noChromium))(titled("in a browser the report", noChromium), () => {
  const open = async (width: number, scheme: "light" | "dark") => {
    const said: unknown[] = [];
    const requests: string[] = [];
    const view = new Bun.WebView({
      width,
      height: 900,
      // Chromium's sandbox works neither for root nor in most containers, and the page is our own.
      backend: { type: "chrome", path: chromium ?? "", argv: ["--no-sandbox"] },
      console: (type, ...words) => said.push([type, ...words]),
    });
    await view.navigate("about:blank");
    for (const domain of ["Log", "Network"]) await view.cdp(`${domain}.enable`);
    const listen = (name: `${string}.${string}`, take: (data: Record<string, Record<string, string>>) => void) =>
      view.addEventListener(name, (event) => take((event as MessageEvent).data));
    listen("Log.entryAdded", ({ entry }) => said.push(entry?.text));
    listen("Runtime.exceptionThrown", (data) => said.push(data));
    listen("Network.requestWillBeSent", ({ request }) => requests.push(request?.url ?? ""));
    await view.cdp("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    await view.navigate(`file://${file("life.html")}`);
    return { view, said, requests };
  };
  type View = Awaited<ReturnType<typeof open>>["view"];
  const tip = (view: View) =>
    view.evaluate<string>("(() => { const t = document.querySelector('.tip'); return t.hidden ? '' : t.innerText })()");

  /** Bun would kill it, and its files would stay in /tmp. */
  afterAll(async () => {
    const { view } = await open(100, "light");
    view.cdp("Browser.close").catch(() => {});
    const isBrowser = ({ name, isZombie }: { name: string; isZombie: boolean }) => /chrom/.test(name) && !isZombie;
    while (descendants(process.pid).some(isBrowser)) await Bun.sleep(20);
  }, 30_000);

  test.each([
    [1200, "light"],
    [1200, "dark"],
    [360, "light"],
    [360, "dark"],
  ] as const)(
    "of %d columns in %s is no blank page, asks nobody for anything, and complains of nothing",
    async (width, scheme) => {
      const { view, said, requests } = await open(width, scheme);
      const picture = await view.screenshot({ encoding: "buffer" });
      await view.navigate("about:blank");
      const blank = await view.screenshot({ encoding: "buffer" });
      expect(picture.length).toBeGreaterThan(blank.length * 5);
      await view.navigate(`file://${file("life.html")}`);
      expect(await view.evaluate<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
      const colour = await view.evaluate<string>("getComputedStyle(document.body).backgroundColor");
      expect(colour).toBe(scheme === "light" ? "rgb(246, 247, 249)" : "rgb(17, 21, 26)");
      expect(said).toEqual([]);
      expect([...new Set(requests)].filter((url) => url !== "data:," && url !== "about:blank")).toEqual([
        `file://${file("life.html")}`,
      ]);
      view.close();
    },
    60_000,
  );

  test("shows a message at the keyboard, and goes to it", async () => {
    const { view, said } = await open(1200, "light");
    const label = () => view.evaluate<string>("document.activeElement.getAttribute('aria-label')");
    await view.press("Tab");
    const first = await label();
    expect(await tip(view)).toStartWith(first);
    for (let i = 0; i < 50 && !(await label()).includes("<script>"); i++) await view.press("ArrowRight");
    expect(await tip(view)).toContain("STATUS=<script>alert(1)</script>&lt;\"'</pre>");
    expect(await tip(view)).toContain("→ the unit is active");
    await view.press("Escape");
    expect(await tip(view)).toBe("");
    await view.press("ArrowLeft");
    await view.press("ArrowRight");
    await view.press("Enter");
    const target = "document.querySelector(':target')";
    for (let i = 0; i < 100 && !(await view.evaluate(`${target} !== null`)); i++) await Bun.sleep(20);
    expect(await view.evaluate<string>(`${target}.innerText`)).toContain("STATUS=<script>");
    await view.press("Tab", { modifiers: ["Shift"] });
    await view.press("End");
    expect(said).toEqual([]);
    view.close();
  }, 60_000);

  test("shows a message under the pointer", async () => {
    const { view } = await open(1200, "light");
    const { x, y } = await view.evaluate<{ x: number; y: number }>(
      "(() => { const b = document.querySelector('.mark.ignored').getBoundingClientRect(); return { x: b.x + b.width / 2, y: b.y + b.height / 2 } })()",
    );
    await view.cdp("Input.dispatchMouseEvent", { type: "mouseMoved", x, y });
    for (let i = 0; i < 100 && (await tip(view)) === ""; i++) await Bun.sleep(20);
    expect(await tip(view)).toContain("ignored REDY=1, because the service manager knows no such key");
    view.close();
  }, 60_000);
});

test("--report does not overwrite the recording that --replay reads", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/events.ndjson`;
  writeFileSync(file, "{}\n");
  const result = await run([`${ROOT}dist/sd-notify`, "monitor", `--replay=${file}`, `--report=${file}`]);
  expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining("would overwrite the recording") });
  expect(readFileSync(file, "utf8")).toBe("{}\n");
});
