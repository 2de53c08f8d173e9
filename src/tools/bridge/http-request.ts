/** As much of HTTP as a probe needs: RFC 9112. Pure. */

export interface Response {
  status: number;
  type?: "text" | "json" | "metrics";
  body: string;
  /** More lines of the header. */
  header?: string;
}

/** How much of a request is read. */
export const MAX_HEADER_LENGTH = 8192;

/** Reads a request whose header may not be complete yet. */
export function readRequest(bytes: Uint8Array): { method: string; path: string } | "incomplete" | Response {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const end = text.search(/\r?\n\r?\n/);
  // If the text can't become an HTTP header, don't wait for the rest.
  if (end === -1 && bytes.length < MAX_HEADER_LENGTH && /^[\x20-\x7e\t\r\n\x80-\xff]*$/.test(text)) return "incomplete";
  if (end === -1) return bytes.length < MAX_HEADER_LENGTH ? BAD : TOO_LARGE;
  const [, method, target = "", rest] = /^([!-~]+) ([!-~]+) HTTP\/1\.[01](\r?\n|$)/.exec(text.slice(0, end)) ?? [];
  if (method === undefined || rest === undefined) return BAD;
  if (method !== "GET" && method !== "HEAD") {
    return { status: 405, body: "only GET and HEAD are answered\n", header: "Allow: GET, HEAD\r\n" };
  }
  // A proxy sends the whole URL.
  const [path = ""] = target.replace(/^https?:\/\/[^/?#]*/i, "").split(/[?#]/, 1);
  return { method, path: path === "" ? "/" : path };
}

/** Writes a response, after which the connection is closed. */
export function writeResponse({ status, type = "text", body, header = "" }: Response, withBody: boolean): Buffer {
  const length = Buffer.byteLength(body);
  const head =
    `HTTP/1.1 ${status} ${REASONS[status] ?? "Unknown"}\r\nContent-Type: ${TYPES[type]}\r\n` +
    `Content-Length: ${length}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n` +
    `${header}Connection: close\r\n\r\n`;
  return Buffer.from(withBody ? head + body : head);
}

// --- internal ---

const BAD: Response = { status: 400, body: "this is no request of HTTP/1.1\n" };
const TOO_LARGE: Response = { status: 431, body: `the header has more than ${MAX_HEADER_LENGTH} bytes\n` };

const REASONS: Record<number, string> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

const TYPES = {
  text: "text/plain; charset=utf-8",
  json: "application/json",
  // Prometheus' text format.
  metrics: "text/plain; version=0.0.4; charset=utf-8",
};
