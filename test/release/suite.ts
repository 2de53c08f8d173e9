/**
 * `npm run test:release`: makes the release twice, in two folders, and tries its files. Programs and packages that
 * only this needs are skipped where they are not there.
 *
 * Arguments: --in=DIRECTORY keeps the two releases there, and tries those that are there already.
 */

import { cpSync, existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { runTests, type Tests } from "../support/bun-test.ts";
import { BUN, missing, run, temporaryDirectory } from "../support/command.ts";
import { copyCheckout } from "../support/package.ts";
import { boot, whyNot } from "../systemd/boot.ts";

export async function runRelease(args: string[]): Promise<Pick<Tests, "count" | "remarks">> {
  const lacks = missing("git", "npm", "tar", "xz", "dpkg-deb");
  if (lacks) {
    console.log(`(skip) the release (skipped: ${lacks})`);
    return { count: { passed: 0, failed: 0, skipped: 1 }, remarks: [] };
  }
  using temporary = temporaryDirectory();
  const [kept] = args.filter((arg) => arg.startsWith("--in=")).map((arg) => resolve(arg.slice(5)));
  const directory = kept ?? temporary.path;
  const releases = [join(directory, "one"), join(directory, "another/place")];
  // Both of what the checkout is now, and one after the other, as each keeps all processors busy.
  using source = temporaryDirectory();
  const checkouts = [join(source.path, "one/sd-notify"), join(source.path, "another/place")];
  if (!releases.every(existsSync)) checkouts.forEach(copyTo);
  for (const [i, release] of releases.entries()) {
    await makeRelease(checkouts[i] ?? "", release, i === 0 ? "022" : "077");
  }

  await using machines = new AsyncDisposableStack();
  const end = async () => {
    await machines.disposeAsync();
    process.exit(1);
  };
  process.once("SIGINT", end).once("SIGTERM", end).once("SIGHUP", end);
  const whyNotBooted = whyNot("packages");
  const managers = whyNotBooted ? [] : [machines.use(await boot("packages")).booted];
  const words = args.filter((arg) => !arg.startsWith("--in="));
  const files = ["files", "arm64", "musl", ...(whyNotBooted ? [] : ["deb"])];
  if (whyNotBooted) console.log(`(skip) the Debian package in a booted system (skipped: ${whyNotBooted})`);
  const { count, remarks } = await runTests(
    ["--timeout=120000", ...files.map((name) => `./test/release/${name}.release.ts`), ...words],
    { SD_NOTIFY_TEST_RELEASES: JSON.stringify(releases), SD_NOTIFY_TEST_MANAGERS: JSON.stringify(managers) },
  );
  return { count: { ...count, skipped: count.skipped + (whyNotBooted ? 1 : 0) }, remarks };
}

// --- internal ---

/** The same for both, and not the time of a commit, which differs. */
const EPOCH = "1700000000";

function copyTo(directory: string): void {
  mkdirSync(directory, { recursive: true });
  copyCheckout(directory);
}

/** Makes a release in a copy of this checkout, and moves it to a directory. */
async function makeRelease(checkout: string, directory: string, umask: string): Promise<void> {
  if (existsSync(directory)) return;
  const git = "git -c user.name=test -c user.email=test@example.org -c commit.gpgsign=false";
  const make = `umask ${umask}; git init --quiet && git add --all && ${git} commit --quiet --message=test && exec "$0" run release`;
  const start = performance.now();
  const { code, stdout, stderr } = await run(["sh", "-c", make, BUN], {
    cwd: checkout,
    env: {
      SOURCE_DATE_EPOCH: EPOCH,
      PATH: `${join(checkout, "node_modules/.bin")}:${process.env.PATH}`,
    },
  });
  if (code !== 0) throw new Error(`npm run release ended with ${code}: ${stdout}${stderr}`);
  cpSync(join(checkout, "dist/release"), directory, { recursive: true });
  console.log(`${stdout}The release took ${((performance.now() - start) / 1000).toFixed(0)} s`);
}
