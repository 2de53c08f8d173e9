/** Errors of the operating system, and of calling it. */

/**
 * The operating system has refused something. `code` and `errno` are those of errno(3) ("ECONNREFUSED", 111),
 * `syscall` is the function that failed, and `address` is what the call was about.
 *
 * @example
 * try {
 *   notify({ ready: true }, { socket: "@nobody-listens-here" });
 * } catch (error) {
 *   if (!(error instanceof SystemError)) throw error;
 *   console.log(error.code, error.errno, error.syscall, error.address);
 * }
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

/**
 * libc can't be called: this is not Linux, bun:ffi has no JIT, or there is no libc.
 *
 * @example
 * try {
 *   notify({ ready: true });
 * } catch (error) {
 *   if (!(error instanceof FFIUnavailableError)) throw error;
 *   console.log(error.message);
 * }
 */
export class FFIUnavailableError extends Error {
  override name = "FFIUnavailableError";
  readonly code = "ERR_FFI_UNAVAILABLE";
}
