/* The peers in C: libsystemd's functions, and the system calls themselves. Prints microseconds of CPU and of wall-clock time. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef LIBSYSTEMD
#include <systemd/sd-daemon.h>
#endif

static double wall(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static struct sockaddr_un address(socklen_t *length) {
  const char *name = getenv("NOTIFY_SOCKET");
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  memcpy(a.sun_path, name, strlen(name));
  a.sun_path[0] = 0;
  *length = offsetof(struct sockaddr_un, sun_path) + strlen(name);
  return a;
}

static int open_socket(int listen) {
  socklen_t length;
  struct sockaddr_un a = address(&length);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;
  if (listen) setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof one);
  if ((listen ? bind : connect)(fd, (struct sockaddr *)&a, length) < 0) {
    perror("socket");
    exit(1);
  }
  return fd;
}

/* Reads messages as PID 1 does, and closes their fds. With a count, ends after as many. */
static void receive(long count) {
  int fd = open_socket(1);
  puts("listening");
  fflush(stdout);
  double start = 0;
  for (long n = 0; count == 0 || n < count; n++) {
    char data[4096], control[2048];
    struct iovec iov = {data, sizeof data};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(fd, &m, MSG_CMSG_CLOEXEC) < 0) continue;
    if (n == 0) start = wall();
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
      if (c->cmsg_type == SCM_RIGHTS)
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) close(((int *)CMSG_DATA(c))[i]);
  }
  printf("0 %f\n", wall() - start);
}

/* Runs a program. Its peak memory is its own only where that of its parent is small: it is counted from fork(2) on. */
static int run(char *argv[]) {
  double start = wall();
  pid_t pid = fork();
  if (pid == 0) {
    if (!freopen("/dev/null", "w", stdout)) _exit(126);
    execvp(argv[0], argv);
    _exit(127);
  }
  int status;
  struct rusage u;
  wait4(pid, &status, 0, &u);
  double total = (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
  printf("%f %f %f\n", (wall() - start) / 1e3, total, u.ru_maxrss / 1024.0);
  return status != 0;
}

int main(int argc, char *argv[]) {
  const char *mode = argv[1];
  if (!strcmp(mode, "run")) return run(argv + 2);
  long count = atol(argv[2]);
  if (!strcmp(mode, "receive")) return receive(count), 0;
  int fd = strncmp(mode, "raw", 3) ? -1 : open_socket(0);
  double cpu_start = cpu(), start = wall();
  for (long i = 0; i < count; i++) {
    char message[128] = "WATCHDOG=1";
    if (strstr(mode, "status")) snprintf(message, sizeof message, "STATUS=%060ld", i);
    if (fd >= 0) {
      if (send(fd, message, strlen(message), MSG_NOSIGNAL) < 0) return perror("send"), 1;
      continue;
    }
#ifdef LIBSYSTEMD
    int r = strcmp(mode, "barrier") ? sd_notify(0, message) : sd_notify_barrier(0, 5000000);
    if (r <= 0) return fprintf(stderr, "%s: %s\n", mode, strerror(-r)), 1;
#endif
  }
  printf("%f %f\n", cpu() - cpu_start, wall() - start);
}
