/** Asks C. */

import { chmodSync } from "node:fs";
import { join } from "node:path";
import { missing, run, temporaryDirectory } from "./command.ts";

/** Why there is no C compiler to ask; undefined when there is one. */
export const noCompiler = missing("cc");

export const HEADERS = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <linux/vm_sockets.h>
#include <time.h>
#ifndef PID_FS_MAGIC /* the headers may be older than the kernel: its include/uapi/linux/magic.h */
#define PID_FS_MAGIC 0x50494446
#endif
`;

/** Compiles test/support/hostile.c into the directory, where every user can execute it. Returns its path. */
export async function compileHostile(directory: string): Promise<string> {
  const program = join(directory, "hostile");
  const compiled = await run(["cc", "-Wall", "-Werror", "-O1", "-o", program, join(import.meta.dir, "hostile.c")]);
  if (compiled.code !== 0) throw new Error(compiled.stderr);
  chmodSync(directory, 0o755);
  return program;
}

/** Compiles a C program into the directory, where every user can execute it. Returns its path. */
export async function compileProgram(directory: string, name: string, source: string): Promise<string> {
  const program = join(directory, name);
  await Bun.write(`${program}.c`, source);
  const compiled = await run(["cc", "-Wall", "-Werror", "-pthread", "-o", program, `${program}.c`]);
  if (compiled.code !== 0) throw new Error(compiled.stderr);
  chmodSync(directory, 0o755);
  return program;
}

/** Compiles and runs a C program. Returns the lines that it prints. */
export async function compileC(source: string): Promise<string[]> {
  using directory = temporaryDirectory();
  await Bun.write(join(directory.path, "ask.c"), source);
  const compiled = await run(["cc", "-Wall", "-Werror", "-o", "ask", "ask.c"], { cwd: directory.path });
  if (compiled.code !== 0) throw new Error(compiled.stderr);
  const asked = await run([join(directory.path, "ask")]);
  if (asked.code !== 0) throw new Error(`the program ended with ${asked.code ?? asked.signal}: ${asked.stderr}`);
  return asked.stdout.trimEnd().split("\n");
}
