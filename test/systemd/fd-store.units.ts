import { expect, test } from "bun:test";
import { titled } from "../support/command.ts";
import { describeEach, type Section } from "./machine.ts";

describeEach("fd store", (machine) => {
  const noFd = machine.commandVersion < 254 && `systemd-notify ${machine.commandVersion} has no --fd`;
  const storing = (title: string, define: () => Promise<void>, skipped: string | false = false) =>
    test.skipIf(Boolean(noFd || skipped))(titled(title, noFd || skipped), define);
  const start = async (section: Section = {}) => {
    const unit = await machine.shell({ FileDescriptorStoreMax: 2, ...section });
    await unit.ready();
    return unit;
  };
  const PASSED = `"$N" --ready --status="$LISTEN_FDS $LISTEN_FDNAMES: $(cat /proc/$$/fd/3)"`;
  const STORE = `file=$(mktemp); echo kept >"$file"; "$N" --fd=4 --fdname=state 4<"$file"`;

  storing("an fd is stored by its name, and passed again after a restart", async () => {
    using unit = await start();
    unit.tell(STORE);
    await unit.until({ NFileDescriptorStore: "1" });
    unit.tell("sleep 1000");
    const restarted = machine.systemctl("restart", unit.name);
    await unit.until({ SubState: "start" });
    unit.tell(PASSED);
    expect((await restarted).code).toBe(0);
    await unit.until({ StatusText: "1 state: kept", NFileDescriptorStore: "1" });
  });

  storing("no more are stored than FileDescriptorStoreMax= allows", async () => {
    using unit = await start();
    unit.tell(`for name in one two three; do exec 4<"$(mktemp)"; "$N" --fd=4 --fdname=$name; done; "$N" --status=all`);
    await unit.until({ StatusText: "all", NFileDescriptorStore: "2" });
  });

  storing("FDSTOREREMOVE=1 removes those of a name", async () => {
    using unit = await start();
    unit.tell(`for name in one two; do exec 4<"$(mktemp)"; "$N" --fd=4 --fdname=$name; done; exec 4<&-`);
    await unit.until({ NFileDescriptorStore: "2" });
    unit.tell('"$N" FDSTOREREMOVE=1 FDNAME=one');
    await unit.until({ NFileDescriptorStore: "1" });
  });

  storing("a stop empties the store", async () => {
    using unit = await start();
    unit.tell(STORE);
    await unit.until({ NFileDescriptorStore: "1" });
    unit.tell("sleep 1000");
    expect((await unit.stop()).code).toBe(0);
    await unit.until({ NFileDescriptorStore: "0", ActiveState: "inactive" });
  });

  const noPin = machine.version < 254 && `systemd ${machine.version} has no FileDescriptorStorePreserve=`;
  storing(
    "FileDescriptorStorePreserve=yes pins a stopped unit, and it has its fds again",
    async () => {
      using unit = await start({ FileDescriptorStorePreserve: "yes" });
      unit.tell(STORE);
      await unit.until({ NFileDescriptorStore: "1" });
      unit.tell("sleep 1000");
      expect((await unit.stop()).code).toBe(0);
      await unit.until({ NFileDescriptorStore: "1", SubState: "dead-resources-pinned" });
      unit.tell(PASSED);
      expect((await unit.start()).code).toBe(0);
      await unit.until({ StatusText: "1 state: kept" });
      await unit.stop();
      await machine.systemctl("clean", "--what=fdstore", unit.name);
    },
    noPin,
  );
});
