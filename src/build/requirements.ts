/**
 * What the package asks of the runtime, as code that is added to the built files: Bun before 1.4 and Node.js
 * read them, but run none of the source's own code.
 */

/** Returns what is needed but missing. It is turned into text for runtimes of any age, so it calls nothing else. */
function unmetByRuntime(): string | undefined {
  const bun = typeof Bun === "undefined" ? undefined : Bun.version;
  const [major, minor] = (bun ?? "0.0").split(".").map(Number) as [number, number];
  if (major > 1 || (major === 1 && minor >= 4)) return;
  return `needs Bun 1.4 or newer, this is ${bun ?? `Node.js ${process.versions.node}`}`;
}

/**
 * Stands at the beginning of what is imported.
 *
 * @throws Error in Bun before 1.4.
 */
export const libraryBanner = inOneLine(`{
  const unmet = (${unmetByRuntime})();
  if (unmet) throw new Error("sd-notify " + unmet);
}`);

/**
 * Stands at the end of the command, after the function of which Bun makes a CommonJS module. Older versions
 * and Node.js take that for an expression that nobody uses, and would end with status 0. A block that only
 * declares something leaves the function the value of the whole, which is what Bun calls.
 */
export const commandFooter = inOneLine(`;{
  const checked = (() => {
    const unmet = (${unmetByRuntime})() || (process.platform !== "linux" && "needs Linux, this is " + process.platform);
    if (!unmet) return;
    console.error("sd-notify: " + unmet);
    process.exit(1);
  })();
}`);

/** What Node.js imports in place of a module with these exports. */
export function nodeStub(exports: readonly string[]): string {
  return `// Node.js can't load bun:ffi, and says so of a file that its reader has never seen.
throw new Error(
  process.versions.bun
    ? "sd-notify was bundled for Node.js: bundle for Bun, with --target=bun or the condition bun"
    : "sd-notify needs Bun 1.4 or newer, this is Node.js " + process.versions.node,
);
// An import of a name that is not there would be an error before this.
export let ${exports.join(", ")};
`;
}

// --- internal ---

/** Lines are what source maps count. */
function inOneLine(code: string): string {
  return code.replaceAll(/\s*\n\s*/g, " ");
}
