import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { terminalPicture } from "../tour/terminal-picture.ts";
import { ROOT } from "./support/command.ts";

/** The classes and the texts of a picture, with the column of each. */
function texts(svg: string): [text: string, classes: string, x: number, length: number][] {
  const found = svg.matchAll(/<text x="([\d.]+)" y="\d+" textLength="([\d.]+)"(?: class="([^"]*)")?>([^<]*)<\/text>/g);
  return [...found].map(([, x, length, classes = "", text = ""]) => [text, classes, Number(x), Number(length)]);
}

test("a terminal's screen becomes a picture: each run of a look stands at its column, as wide as its cells", () => {
  const screen = "$ x  \x1b[1m\x1b[31mred & <b>\x1b[39m\x1b[22m.\n\x1b[2m  dim\nstill\x1b[0m not\n\n";
  const svg = terminalPicture({ screen, title: "a <title>", columns: 40 });
  expect(texts(svg)).toEqual([
    ["$ x", "", 14, 23.4],
    ["red &amp; &lt;b&gt;", "bold red", 53, 70.2],
    [".", "", 123.2, 7.8],
    ["dim", "dim", 29.6, 23.4],
    ["still", "dim", 14, 39],
    ["not", "", 60.8, 23.4],
  ]);
  expect(svg).toContain('<title id="title">a &lt;title&gt;</title>');
  expect(svg).toContain("prefers-color-scheme: dark");
});

test.each([
  ["monitor", "NotifyAccess=all"],
  ["doctor", "cure:"],
])("docs/pictures/%s.svg is small, and shows a cure", async (name, cure) => {
  const path = `${ROOT}docs/pictures/${name}.svg`;
  expect(statSync(path).size).toBeLessThan(20_000);
  const shown = texts(await Bun.file(path).text()).map(([text]) => text);
  expect(shown[0]).toStartWith(`$ sd-notify ${name}`);
  expect(shown.join("\n")).toContain(cure);
});
