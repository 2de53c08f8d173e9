/** The errors that come from below. */

/**
 * What the operating system refused. `code` and `errno` are those of errno(3) ("ECONNREFUSED", 111), `syscall` is the
 * function that failed, `address` what it was about.
 */
export class SystemError extends Error {
  override name = "SystemError";

  constructor(
    message: string,
    readonly code: string,
    readonly errno: number,
    readonly syscall: string,
    readonly address?: string,
  ) {
    super(message);
  }
}

/** libc can't be called: this is not Linux, bun:ffi has no JIT to work with, or no libc was found. */
export class FFIUnavailableError extends Error {
  override name = "FFIUnavailableError";
  readonly code = "ERR_FFI_UNAVAILABLE";
}
