/** The session of docs/deploy.md: its commands, in order, with its server and its unit. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { titled } from "../support/command.ts";
import { type Block, blocksOf } from "../support/markdown.ts";
import { describeEach } from "./machine.ts";

const blocks = blocksOf("docs/deploy.md");
const commands = blocks.filter(({ runBy }) => runBy?.endsWith("-- documentation"));
const file = (name: string) => blocks.find((block) => block.name === name)?.code ?? "";

/**
 * daemon-reload would begin the time-outs of other tests anew, and is not needed for a unit that was not loaded
 * before.
 */
const SUDO = `#!/bin/sh
case "$1 $2" in
  "systemctl daemon-reload") exit 0 ;;
  "systemctl enable" | "systemctl disable") verb=$2; shift 2; set -- systemctl "$verb" --no-reload "$@" ;;
esac
exec "$@"
`;

describeEach("docs/deploy.md", (machine) => {
  const directory = `${machine.directory}/deploy`;
  const baseline = machine.isBaseline && "it does not concern systemd-notify";
  const shell = (code: string) => machine.run(["sh", "-euc", code]);
  const run = ({ code }: Block) =>
    shell(`PATH=${directory}/bin:$PATH; export HOME=/root SYSTEMD_PAGER=; cd ${directory}/hello\n${code}`);

  beforeAll(async () => {
    await shell(`
      mkdir -p ${directory}/bin ${directory}/hello/node_modules
      mount -t tmpfs -o mode=755 none /usr/local && mkdir /usr/local/bin
      ln -s ${machine.checkout}/node_modules/bun/bin/bun.exe ${directory}/bin/bun
      ln -s ${machine.checkout}/dist/sd-notify ${directory}/bin/sd-notify
      ln -s ${machine.checkout} ${directory}/hello/node_modules/sd-notify`);
    machine.write(`${directory}/bin/sudo`, SUDO);
    machine.write(`${directory}/hello/server.ts`, file("server.ts"));
    // The machines share their network.
    machine.write("/etc/systemd/system/hello.service", file("hello.service").replace("PORT=3000", "PORT=0"));
    await shell(`chmod 755 ${directory}/bin/sudo`);
  });
  afterAll(() => shell("systemctl kill --signal=KILL hello 2>/dev/null; umount -l /usr/local || true"));

  test.skipIf(Boolean(baseline))(
    titled("the commands succeed, one after the other, and leave nothing behind", baseline),
    async () => {
      expect(commands.length).toBeGreaterThan(6);
      for (const block of commands) {
        const { code, stdout, stderr } = await run(block);
        const line = `docs/deploy.md:${block.line}`;
        expect({ line, code, output: code === 0 ? "" : stdout + stderr }).toEqual({ line, code: 0, output: "" });
        if (block.code.includes("systemctl status"))
          expect(stdout).toContain('Status: "Listening on http://localhost:');
      }
      expect((await shell("test -e /opt/hello -o -e /etc/systemd/system/hello.service")).code).toBe(1);
    },
  );
});
