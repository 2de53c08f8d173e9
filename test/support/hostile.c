/*
 * A neighbour that means harm. Its arguments are what it does and the address of a socket; it ignores whatever goes wrong.
 *   open       with the length of the address as sshd and named give it, sizeof(struct sockaddr_un): READY=1
 *   fds        messages with file descriptors of every kind, with too many, with none of the bytes, and with far too many
 *   flood      messages, for ever
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int sock;

static void tell(const void *data, size_t size, const int *fds, size_t count) {
  char control[CMSG_SPACE(253 * sizeof(int))] = {0};
  struct iovec iov = {(void *)data, size};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
  if (count > 0) {
    m.msg_control = control;
    m.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
  }
  sendmsg(sock, &m, MSG_NOSIGNAL);
}

static void all_fds(const char *address) {
  int pipes[2], closed[2], pair[2], many[253];
  if (pipe(pipes) || pipe(closed) || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair)) return;
  close(closed[0]);
  sigset_t none;
  sigemptyset(&none);
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event);
  char passed[64];
  snprintf(passed, sizeof passed, "/proc/%d/fd", getpid());
  int fds[] = {
      open(address, O_PATH),  open("/", O_PATH),           open("/etc/hostname", O_PATH | O_NOFOLLOW),
      closed[1],              pipes[0],                    pair[0],
      memfd_create("x", 0),   epoll,                       eventfd(0, 0),
      signalfd(-1, &none, 0), open("/proc/self/maps", 0),  open("/proc/self/ns/net", 0),
      open(passed, 0),        syscall(SYS_pidfd_open, getpid(), 0), open("/dev/null", O_RDWR),
      socket(AF_INET, SOCK_STREAM, 0),
      sock,
  };
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0) tell("X_FD=1", 6, &fds[i], 1);
  for (int i = 0; i < 253; i++) many[i] = fds[0] < 0 ? pipes[0] : fds[0];
  for (int i = 0; i < 40; i++) tell("FDSTORE=1", 9, many, 253);
  for (int i = 0; i < 3; i++) tell("", 0, NULL, 0), tell("", 0, many, 253), tell("BARRIER=1", 9, many, 2);
  static char large[190000];
  memset(large, 'x', sizeof large);
  for (int i = 0; i < 20; i++) tell(large, sizeof large, many, i % 2 ? 253 : 0);
  memset(large, 0xff, sizeof large);
  tell(large, sizeof large, NULL, 0);
  memset(large, '\n', sizeof large);
  tell(large, sizeof large, NULL, 0);
}

int main(int argc, char *argv[]) {
  if (argc < 3) return 2;
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  strncpy(a.sun_path, argv[2], sizeof a.sun_path - 1);
  sock = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (connect(sock, (struct sockaddr *)&a, sizeof a) < 0) return perror("connect"), 1;
  if (!strcmp(argv[1], "open")) tell("READY=1", 7, NULL, 0);
  else if (!strcmp(argv[1], "fds")) all_fds(argv[2]);
  else for (;;) tell("STATUS=flood", 12, NULL, 0);
  return 0;
}
