/** The Debian package, in a booted system: installed, used by a unit, removed. */

import { expect, test } from "bun:test";
import { copyFileSync, existsSync } from "node:fs";
import { describeEach, exec } from "../systemd/machine.ts";
import { fileOf, version } from "./released.ts";

describeEach("the Debian package", (machine) => {
  test("is installed, used by a unit, and removed", async () => {
    const deb = `${machine.directory}/sd-notify.deb`;
    const architecture = (await machine.run(["dpkg", "--print-architecture"])).stdout.trim();
    copyFileSync(fileOf(`sd-notify_${version}-1_${architecture}.deb`), machine.outside(deb));
    const installed = await machine.run(["dpkg", "--install", deb]);
    expect({ code: installed.code, stderr: installed.stderr }).toEqual({ code: 0, stderr: "" });
    // Every file is as the package has it.
    expect(await machine.run(["dpkg", "--verify", "sd-notify"])).toMatchObject({ code: 0, stdout: "" });
    const files = (await machine.run(["dpkg", "--listfiles", "sd-notify"])).stdout.trim().split("\n");
    expect(files).toContain("/usr/bin/sd-notify");
    expect((await machine.run(["sd-notify", "--version"])).stdout).toBe(`sd-notify ${version}\n`);
    // systemd's own is still systemd's.
    expect((await machine.run(["systemd-notify", "--version"])).stdout).toStartWith(`systemd ${machine.version} `);

    const unit = machine.service({
      Type: "notify",
      NotifyAccess: "all",
      ExecStart: exec("/bin/sh", "-c", "sd-notify --ready --status='from a package'; exec sleep infinity"),
    });
    expect(await unit.start()).toMatchObject({ code: 0 });
    await unit.until({ ActiveState: "active", SubState: "running", StatusText: "from a package" });
    const doctor = await machine.run(["sd-notify", "doctor", unit.name]);
    expect(doctor.stdout).toContain("active");
    await unit.stop();

    expect(await machine.run(["dpkg", "--purge", "sd-notify"])).toMatchObject({ code: 0, stderr: "" });
    const left = files.filter((file) => file.includes("sd-notify") && existsSync(machine.outside(file)));
    expect(left).toEqual([]);
  });
});
