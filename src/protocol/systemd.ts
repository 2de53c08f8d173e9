/** Numbers of systemd's own. */

/** The first file descriptor that is passed: sd_listen_fds(3). */
export const SD_LISTEN_FDS_START = 3;

/** The exit status of a program that could not be executed: systemd.exec(5), table "Process Exit Codes". */
export const EXIT_EXEC = 203;
