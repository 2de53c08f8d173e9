/** Reads a file of EnvironmentFile=: systemd.exec(5), and parse_env_file() of systemd's src/basic/env-file.c. Pure. */

export interface InvalidLine {
  line: number;
  /** The name that a shell would export. Nothing else of the line is kept: it may be part of a secret. */
  exported?: string | undefined;
}

export interface EnvironmentText {
  /** A value is undefined if only systemd knows how it is unquoted. */
  variables: ReadonlyMap<string, string | undefined>;
  invalid: readonly InvalidLine[];
  commented: readonly { line: number; name: string }[];
}

/** Returns what systemd takes of the file, and what it ignores. */
export function parseEnvironmentFile(text: string): EnvironmentText {
  const variables = new Map<string, string | undefined>();
  const invalid: InvalidLine[] = [];
  const commented: { line: number; name: string }[] = [];
  let open: { name: string; quote: string } | undefined;
  for (const [i, line] of text.split(/\r\n|[\n\r]/).entries()) {
    // The value goes on over several lines. Only its end matters.
    if (open) {
      if (open.quote === "" ? !line.endsWith("\\") : line.includes(open.quote)) open = undefined;
      continue;
    }
    if (/^[ \t]*([#;]|$)/.test(line)) continue;
    const equals = line.indexOf("=");
    const name = line.slice(0, Math.max(equals, 0)).trim();
    if (!/^[A-Za-z_]\w*$/.test(name)) {
      invalid.push({ line: i + 1, exported: /^export\s+(\w+)$/.exec(name)?.[1] });
      continue;
    }
    const value = line.slice(equals + 1).trim();
    const [, quote = "", quoted = ""] = /^(["'])(.*)$/.exec(value) ?? [];
    if (quote === "") {
      variables.set(name, value.includes("\\") || /["']/.test(value) ? undefined : value);
      if (/[ \t]#([ \t]|$)/.test(value)) commented.push({ line: i + 1, name });
      if (value.endsWith("\\")) open = { name, quote: "" };
      continue;
    }
    const end = quoted.indexOf(quote);
    variables.set(name, end === quoted.length - 1 && !quoted.includes("\\") ? quoted.slice(0, -1) : undefined);
    if (end === -1) open = { name, quote };
  }
  return { variables, invalid, commented };
}
