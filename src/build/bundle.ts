/**
 * Makes dist/ except the declarations and the standalone binary: the library, the command and its
 * subcommands, each in one file with its source map. No file holds a path of this machine.
 *
 *     bun src/build/bundle.ts
 */

import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { joinCore } from "./join.ts";
import { commandFooter, libraryBanner, nodeStub } from "./requirements.ts";

const ROOT = join(import.meta.dir, "../..");
const DIST = join(ROOT, "dist");
/** What else is made there, and never packed. */
const OTHERS = ["sd-notify", "release", "release.part"];

async function bundle(): Promise<void> {
  mkdirSync(DIST, { recursive: true });
  // Files that an older build has left would be packed too.
  for (const name of readdirSync(DIST)) if (!OTHERS.includes(name)) rmSync(join(DIST, name), { recursive: true });

  const common = { outdir: DIST, root: "src", target: "bun", packages: "external", sourcemap: "linked" } as const;
  const library = {
    ...common,
    // Shorter code is parsed faster. The names stay, for the stacks of errors.
    minify: { whitespace: true, syntax: true },
    banner: libraryBanner,
  } as const;
  // One at a time: a module that one of them loads late would be loaded late in all of them.
  for (const entry of ["src/testing.ts", "src/register/main.ts", "src/tools/main.ts"]) {
    await Bun.build({ ...library, entrypoints: [entry] });
  }
  await Bun.build({ ...library, entrypoints: ["src/index.ts"], naming: "whole.[ext]" });
  await Bun.build({
    ...library,
    entrypoints: ["src/lazy/index.ts", "src/lazy/servers.ts"],
    splitting: true,
    naming: { entry: "[name].[ext]", chunk: "core.[ext]" },
  });
  joinCore(DIST, libraryBanner);
  // CommonJS, because the bytecode of that starts sooner.
  await Bun.build({
    ...common,
    entrypoints: ["src/cli/main.ts", "src/cli/command.ts"],
    format: "cjs",
    bytecode: true,
    minify: true,
    define: { COMMAND_FILE: '"./command.js"', TOOLS_FILE: '"../tools/main.js"' },
    footer: commandFooter,
  });
  await Bun.write(join(DIST, "cli/package.json"), '{ "type": "commonjs" }\n');

  // As it is, so that a bundler of whoever imports it finds the other file, by a require() that it knows.
  const register = new Bun.Transpiler({ loader: "ts", minifyWhitespace: true });
  await Bun.write(join(DIST, "register.js"), register.transformSync(await Bun.file("src/register.ts").text()));

  const names = new Set<string>();
  for (const name of ["whole.js", "testing.js"]) {
    const { exports } = new Bun.Transpiler({ loader: "js" }).scan(await Bun.file(join(DIST, name)).text());
    for (const name of exports) names.add(name);
  }
  await Bun.write(join(DIST, "node.js"), nodeStub([...names].sort()));
}

// --- main ---

process.chdir(ROOT);
await bundle();
