/** The screen of a terminal as a picture: SVG that is readable in light and dark. */

export interface Picture {
  /** The lines of the screen, with the colours of Select Graphic Rendition, as tmux(1) captures them. */
  screen: string;
  /** What it shows, for those who don't see it. */
  title: string;
  columns: number;
}

/** Returns the picture. */
export function terminalPicture({ screen, title, columns }: Picture): string {
  const lines = screen.trimEnd().split("\n");
  const width = Math.ceil(columns * CELL + 2 * PADDING);
  const height = lines.length * LINE + BAR + 2 * PADDING;
  // The next line begins with the look that the last one ended with.
  let look = new Look();
  const runs = lines.map((line) => {
    const split = runsOf(line, look);
    look = split.look;
    return split.runs;
  });
  const texts = runs.flatMap((line, row) =>
    line.map(({ text, column, classes }) => {
      const y = BAR + PADDING + row * LINE + ASCENT;
      const x = round(PADDING + column * CELL);
      // Each run is as wide as its cells, whatever font is used.
      const length = round(Bun.stringWidth(text) * CELL);
      const named = classes.length === 0 ? "" : ` class="${classes.join(" ")}"`;
      return `<text x="${x}" y="${y}" textLength="${length}"${named}>${escapeXml(text)}</text>`;
    }),
  );
  const size = `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-labelledby="title">
<title id="title">${escapeXml(title)}</title>
<style>${STYLE}</style>
<rect class="window" x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="8"/>
<circle cx="18" cy="16" r="5"/><circle cx="35" cy="16" r="5"/><circle cx="52" cy="16" r="5"/>
${texts.join("\n")}
</svg>
`;
}

// --- internal ---

/** In pixels: a character's width, a line's height and where its letters stand, the margin, and the window's bar. */
const CELL = 7.8;
const LINE = 18;
const ASCENT = 13;
const PADDING = 14;
const BAR = 22;

const FONTS = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace';

const STYLE = `
text { font: 13px ${FONTS}; fill: #1f2328; white-space: pre; }
.window { fill: #f6f8fa; stroke: #d1d9e0; } circle { fill: #c9d1d9; }
.bold { font-weight: 700; } .dim { fill: #656d76; }
.red { fill: #c4262e; } .green { fill: #1a7f37; } .yellow { fill: #9a6700; }
.blue { fill: #0969da; } .magenta { fill: #8250df; } .cyan { fill: #0b7285; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .window { fill: #151b23; stroke: #3d444d; } circle { fill: #3d444d; }
  .dim { fill: #8b949e; } .red { fill: #ff7b72; } .green { fill: #56d364; } .yellow { fill: #e3b341; }
  .blue { fill: #79c0ff; } .magenta { fill: #d2a8ff; } .cyan { fill: #56d4dd; }
}
`.trim();

interface Run {
  text: string;
  /** Where it begins. */
  column: number;
  classes: string[];
}

/** Splits a line where its look changes, and at gaps. */
function runsOf(line: string, before: Look): { runs: Run[]; look: Look } {
  const runs: Run[] = [];
  let look = before;
  let column = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences of ECMA-48 are what is looked for.
  for (const piece of line.split(/(\x1b\[[0-9;]*m)/)) {
    if (piece.startsWith("\x1b[")) {
      look = look.after(piece.slice(2, -1).split(";").map(Number));
      continue;
    }
    for (const part of piece.split(/( {2,})/)) {
      const text = part.trim();
      const blanks = part.length - part.trimStart().length;
      if (text !== "") runs.push({ text, column: column + blanks, classes: look.classes() });
      column += Bun.stringWidth(part);
    }
  }
  return { runs, look };
}

const COLOURS = ["", "red", "green", "yellow", "blue", "magenta", "cyan", ""];

/** Of Select Graphic Rendition, what the command uses. */
class Look {
  constructor(
    readonly weight = "",
    readonly colour = "",
  ) {}

  after(codes: readonly number[]): Look {
    let look: Look = this;
    for (const code of codes) {
      if (code === 0) look = new Look();
      else if (code === 1) look = new Look("bold", look.colour);
      else if (code === 2) look = new Look("dim", look.colour);
      else if (code === 22) look = new Look("", look.colour);
      else if (code >= 30 && code <= 37) look = new Look(look.weight, COLOURS[code - 30]);
      else if (code === 39) look = new Look(look.weight);
    }
    return look;
  }

  classes(): string[] {
    return [this.weight, this.colour].filter((name) => name !== "");
  }
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function round(number: number): number {
  return Math.round(number * 10) / 10;
}
