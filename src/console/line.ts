/** Lines of output that are composed of parts. Each part is made printable, so it can't colour or end the line. */

import { styleText } from "node:util";
import { printable } from "../protocol/printable.ts";

export type Format = Parameters<typeof styleText>[0];

/** One line, whose parts are harmless to a terminal. */
export class Line {
  readonly #pieces: readonly Piece[];

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  /** Returns the text. */
  render(colour: boolean): string {
    return this.#pieces
      .map(({ text, format }) =>
        colour && format !== undefined ? styleText(format, text, { validateStream: false }) : text,
      )
      .join("");
  }

  /** Returns the line in a format. Parts that have a format already keep it. */
  styled(format: Format): Line {
    return new Line(this.#pieces.map((piece) => ({ format, ...piece })));
  }

  /** Joins lines into one. */
  static join(lines: readonly Line[]): Line {
    return new Line(lines.flatMap((line) => line.#pieces));
  }
}

/** Makes a line: line`started ${command}, pid ${pid}`. */
export function line(strings: TemplateStringsArray, ...values: readonly (Line | string | number)[]): Line {
  return Line.join(strings.flatMap((own, i) => [plain(own), ...values.slice(i, i + 1).map(toLine)]));
}

/** Returns a part of a line in a format. */
export function styled(format: Format, value: Line | string | number): Line {
  return toLine(value).styled(format);
}

// --- internal ---

interface Piece {
  text: string;
  format?: Format;
}

function toLine(value: Line | string | number): Line {
  return value instanceof Line ? value : plain(`${value}`);
}

function plain(text: string): Line {
  return new Line(text === "" ? [] : [{ text: printable(text) }]);
}
