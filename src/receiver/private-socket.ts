/**
 * A socket that nobody can find without knowing its address. /proc/net/unix shows everybody the name that a socket was
 * bound to, abstract or not. So this socket is bound to one name, and renamed before others can reach it.
 */

import { AF_UNIX, SO_PASSCRED, SOCK_DGRAM } from "../../ffi/constants.ts";
import { SUN_PATH_SIZE } from "../../ffi/layouts.ts";
import { tryLock } from "../../ffi/process.ts";
import * as sys from "../../ffi/syscalls.ts";
import { node } from "../bun/node.ts";

export interface BoundSocket {
  fd: number;
  address: string;
  /** Removes its path and directory. An abstract socket has neither. */
  remove(): void;
}

/**
 * Binds a socket to a new path, `DIRECTORY/sd-notify.XXXXXX/SECRET`. Other users can enter that directory, because the
 * command may run as one of them. They can't list it. If no directory is suitable, the address is an abstract name.
 */
export function bindPrivately(): BoundSocket {
  for (const parent of parents()) {
    try {
      sweep(parent);
      // A process that sweeps at this moment may take the new directory for an old one, so this tries again.
      const bound = bindIn(parent) ?? bindIn(parent) ?? bindIn(parent);
      if (bound) return bound;
    } catch {
      // The file system is full, read-only, or without sockets or locks.
    }
  }
  const address = `@sd-notify-${secret()}`;
  return { fd: bindSocket(encoder.encode(`\0${address.slice(1)}`), address), address, remove() {} };
}

/**
 * Returns the name that /proc/net/unix shows for an address. It differs from the address if bindPrivately() made it.
 */
export function kernelNameOf(address: string): string {
  const [, directory, name = ""] = /^(.*)\/([^/]*)$/.exec(address) ?? [];
  const isPrivate = directory !== undefined && PRIVATE_DIRECTORY.test(directory) && name.length === SECRET_LENGTH;
  return isPrivate ? `${directory}/${BOUND_NAME}` : address;
}

/** Opens a socket for messages with credentials, and binds it. @throws SystemError */
export function bindSocket(path: Uint8Array, address: string): number {
  const fd = sys.socket(AF_UNIX, SOCK_DGRAM, address);
  try {
    sys.setSocketOption(fd, SO_PASSCRED, 1);
    sys.bind(fd, { family: "unix", path }, address);
    return fd;
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}

// --- internal: where ---

/**
 * Returns the directories to try. Those that every user can enter come first; only its owner can enter
 * $XDG_RUNTIME_DIR.
 */
function parents(): string[] {
  const { TMPDIR, XDG_RUNTIME_DIR } = process.env;
  const places = [ownUid() === 0 ? "/run" : undefined, TMPDIR, "/tmp", "/dev/shm", XDG_RUNTIME_DIR];
  const safe = places.flatMap((place) => (place?.startsWith("/") ? (lookAt(place) ?? []) : []));
  return [...safe.filter(({ isOpen }) => isOpen), ...safe.filter(({ isOpen }) => !isOpen)].map(({ path }) => path);
}

/** Returns the directory, and whether every user can enter it; undefined if others can replace what is in it. */
function lookAt(place: string): { path: string; isOpen: boolean } | undefined {
  const { fs } = node;
  try {
    const path = fs.realpathSync(place);
    if (encoder.encode(path).length > MAX_PARENT_LENGTH) return undefined;
    // In a user namespace, root may have another uid.
    const trusted = [0, ownUid(), fs.statSync("/").uid];
    let isOpen = true;
    for (let directory = path; ; directory = directory.slice(0, directory.lastIndexOf("/")) || "/") {
      const { uid, mode } = fs.statSync(directory);
      const isShared = (mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0;
      if (isShared || !trusted.includes(uid)) return undefined;
      isOpen &&= (mode & ENTERED_BY_OTHERS) !== 0;
      if (directory === "/") return { path, isOpen };
    }
  } catch {
    return undefined;
  }
}

/** inode(7): S_IWGRP | S_IWOTH, S_ISVTX, S_IXOTH. */
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;
const ENTERED_BY_OTHERS = 0o001;

// --- internal: binding and sweeping ---

const PREFIX = "sd-notify.";

/** The names that mkdtemp(3) makes. */
const DIRECTORY_NAME = /^sd-notify\.\w{6}$/;
const PRIVATE_DIRECTORY = /\/sd-notify\.\w{6}$/;

/** The name that the socket is bound to. */
const BOUND_NAME = "socket";

/** 128 bits, in base64. */
const SECRET_BYTES = 16;
const SECRET_LENGTH = 22;

/** sun_path must hold `PARENT/sd-notify.XXXXXX/SECRET` and a NUL. */
const MAX_PARENT_LENGTH = SUN_PATH_SIZE - 1 - `/${PREFIX}XXXXXX/`.length - SECRET_LENGTH;

const encoder = new TextEncoder();

/** Directories that were swept. Each process does that once. */
const swept = new Set<string>();

/** Returns undefined if a process that sweeps has taken the new directory for an old one. */
function bindIn(parent: string): BoundSocket | undefined {
  const { fs } = node;
  // Nobody else can enter the directory yet.
  const directory = fs.mkdtempSync(`${parent}/${PREFIX}`);
  const bound = `${directory}/${BOUND_NAME}`;
  const address = `${directory}/${secret()}`;
  let [lock, fd] = [-1, -1];
  const remove = () => {
    quietly(() => fs.rmSync(bound, { force: true }));
    quietly(() => fs.rmSync(address, { force: true }));
    quietly(() => fs.rmdirSync(directory));
    if (lock !== -1) fs.closeSync(lock);
    lock = -1;
  };
  try {
    // As long as the directory is locked, neither bindPrivately() nor systemd-tmpfiles sweeps it, tmpfiles.d(5).
    lock = openDirectory(directory);
    if (!tryLock(lock) || fs.fstatSync(lock).ino !== fs.lstatSync(directory).ino) {
      fs.closeSync(lock);
      return undefined;
    }
    fd = bindSocket(encoder.encode(bound), address);
    // The kernel shows the name that the socket was bound to. Senders connect to this one.
    fs.renameSync(bound, address);
    fs.chmodSync(address, 0o666);
    fs.chmodSync(directory, 0o711);
    return { fd, address, remove };
  } catch (error) {
    if (fd !== -1) sys.close(fd);
    remove();
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Removes what killed receivers of this user have left behind. */
function sweep(parent: string): void {
  if (swept.has(parent)) return;
  swept.add(parent);
  for (const name of node.fs.readdirSync(parent)) {
    if (!DIRECTORY_NAME.test(name)) continue;
    quietly(() => sweepDirectory(`${parent}/${name}`));
  }
}

function sweepDirectory(directory: string): void {
  const { fs } = node;
  if (fs.lstatSync(directory).uid !== ownUid()) return;
  const lock = openDirectory(directory);
  try {
    if (!tryLock(lock)) return;
    const files = fs.readdirSync(directory).map((name) => `${directory}/${name}`);
    if (!files.every((file) => fs.lstatSync(file).isSocket())) return;
    for (const file of files) fs.unlinkSync(file);
    fs.rmdirSync(directory);
  } finally {
    fs.closeSync(lock);
  }
}

function openDirectory(path: string): number {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = node.fs.constants;
  return node.fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/** Ignores errors: a directory that has gone, was changed by somebody, or can't be opened is left as it is. */
function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // There is nobody to tell.
  }
}

function secret(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(SECRET_BYTES))).toString("base64url");
}

function ownUid(): number {
  return process.geteuid?.() ?? 0;
}
