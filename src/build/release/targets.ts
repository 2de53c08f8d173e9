/** The machines that a release has a standalone executable for. */

import { EM_AARCH64, EM_X86_64 } from "../elf.ts";

export interface Target {
  /** As the file that is released names it. */
  name: string;
  /** As `bun build --target` names it. */
  bunTarget: string;
  /** The npm package that has Bun for this machine. Its version and its hash stand in bun.lock. */
  bunPackage: string;
  /** What the executable must ask for. Another Bun may ask for more. Then the release fails. */
  machine: number;
  interpreter: string;
  needed: readonly string[];
  /** The architecture of the .deb, if there is one. */
  debian?: "amd64" | "arm64";
}

const GLIBC = ["libc.so.6", "libpthread.so.0", "libdl.so.2", "libm.so.6"];

const X64: Target = {
  name: "linux-x64",
  bunTarget: "bun-linux-x64",
  bunPackage: "@oven/bun-linux-x64",
  machine: EM_X86_64,
  interpreter: "/lib64/ld-linux-x86-64.so.2",
  needed: [...GLIBC, "ld-linux-x86-64.so.2"],
  debian: "amd64",
};

export const TARGETS: readonly Target[] = [
  X64,
  {
    name: "linux-arm64",
    bunTarget: "bun-linux-arm64",
    bunPackage: "@oven/bun-linux-aarch64",
    machine: EM_AARCH64,
    interpreter: "/lib/ld-linux-aarch64.so.1",
    needed: [...GLIBC, "ld-linux-aarch64.so.1"],
    debian: "arm64",
  },
  {
    name: "linux-x64-musl",
    bunTarget: "bun-linux-x64-musl",
    bunPackage: "@oven/bun-linux-x64-musl",
    machine: EM_X86_64,
    interpreter: "/lib/ld-musl-x86_64.so.1",
    needed: ["libc.musl-x86_64.so.1", "libstdc++.so.6"],
  },
  {
    name: "linux-arm64-musl",
    bunTarget: "bun-linux-arm64-musl",
    bunPackage: "@oven/bun-linux-aarch64-musl",
    machine: EM_AARCH64,
    interpreter: "/lib/ld-musl-aarch64.so.1",
    needed: ["libc.musl-aarch64.so.1", "libstdc++.so.6"],
  },
];

/**
 * Other names under which a target is released. Since 1.4, one Bun executable is for every x64 processor from Nehalem
 * on, so the former baseline build has the same bytes.
 */
export const ALIASES: Readonly<Record<string, readonly string[]>> = { [X64.name]: [`${X64.name}-baseline`] };
