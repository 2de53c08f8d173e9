/** Files of Debian packages that are not installed here, for another processor or another libc. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { succeed } from "./released.ts";

/**
 * Downloads packages from the archive that this machine's packages come from, and unpacks them into a directory.
 * Nothing is installed, and apt-get's own lists are left alone.
 */
export async function unpackPackages(packages: string[], architecture: string, directory: string): Promise<void> {
  const state = join(directory, ".apt");
  for (const name of ["lists/partial", "archives/partial"]) mkdirSync(join(state, name), { recursive: true });
  writeFileSync(join(state, "status"), "");
  writeFileSync(
    join(state, "apt.conf"),
    `APT::Architecture "${architecture}";
     APT::Architectures "${architecture}";
     APT::Sandbox::User "root";
     Dir::State::status "${state}/status";
     Dir::State::Lists "${state}/lists";
     Dir::Cache "${state}";`,
  );
  const apt = ["env", `APT_CONFIG=${state}/apt.conf`, "apt-get", "-q"];
  await succeed([...apt, "update"]);
  await succeed([...apt, "download", ...packages], state);
  for (const deb of new Bun.Glob("*.deb").scanSync({ cwd: state, absolute: true })) {
    await succeed(["dpkg-deb", "--extract", deb, directory]);
  }
}
