/** --uid */

import { findUser, setRealIds } from "../../ffi/process.ts";
import { UsageError } from "../console/usage-error.ts";

/**
 * The value of --uid: the ids of a user by name, or a number. The group of a number is looked up when the message is
 * sent.
 */
export interface UserOption {
  uid: number;
  /** undefined: the group stays as it is. */
  gid: number | undefined;
  /** Whether to use the group of the user with this number, if there is one. */
  byNumber: boolean;
}

/** Reads the value of --uid: a user's name, or a number. No user need have that number. @throws UsageError */
export function parseUser(value: string, before: UserOption | undefined): UserOption {
  if (!/^\d+$/.test(value)) {
    const user = /^[^\s:/]+$/.test(value) && !/^[-+]/.test(value) ? findUser(value) : undefined;
    if (!user) throw new UsageError(`--uid=${value} is no user: neither a name of the user database nor a number`);
    return { ...user, byNumber: false };
  }
  const uid = Number(value);
  if (/^0\d/.test(value) || uid >= INVALID_UID || uid === INVALID_UID_16) {
    throw new UsageError(`--uid=${value} is no user: a number from 0 to ${INVALID_UID - 1}, but ${INVALID_UID_16}`);
  }
  return { uid, gid: before?.gid, byNumber: true };
}

/** Becomes the user, as far as the receiver of a message can see it: changes the real ids. */
export function becomeUser({ uid, gid, byNumber }: UserOption): void {
  const user = byNumber ? findUser(uid) : undefined;
  setRealIds(uid, user?.gid ?? gid);
}

// --- internal ---

/** (uid_t)-1 leaves an id as it is, setreuid(2). So does its value from the time when it had 16 bits. */
const INVALID_UID = 0xffffffff;
const INVALID_UID_16 = 0xffff;
