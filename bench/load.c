/* Loads an HTTP server of this machine: `load PORT REQUESTS CONNECTIONS`, keep-alive, one request at a time on each. Prints requests/s. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
static char buffer[65536];

static int fail(const char *what) {
  perror(what);
  exit(1);
}

static int open_connection(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
  return fd;
}

static void ask(int fd) {
  if (write(fd, request, sizeof request - 1) != sizeof request - 1) fail("write");
}

int main(int argc, char *argv[]) {
  if (argc < 4) return 2;
  int port = atoi(argv[1]), connections = atoi(argv[3]), epoll = epoll_create1(0);
  long wanted = atol(argv[2]), sent = 0, answered = 0;
  /* All answers are as long as the first one. */
  int first = open_connection(port);
  ask(first);
  usleep(100000);
  long size = read(first, buffer, sizeof buffer);
  if (size <= 0) fail("read");
  close(first);
  long *missing = calloc(connections, sizeof *missing);
  int *fds = calloc(connections, sizeof *fds);
  for (int i = 0; i < connections; i++) {
    fds[i] = open_connection(port);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event)) fail("epoll_ctl");
  }
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (int i = 0; i < connections; i++, sent++) ask(fds[i]), missing[i] = size;
  while (answered < wanted) {
    struct epoll_event events[64];
    int n = epoll_wait(epoll, events, 64, 10000);
    if (n <= 0) fail("epoll_wait");
    for (int k = 0; k < n; k++) {
      int i = events[k].data.u32;
      long got = read(fds[i], buffer, sizeof buffer);
      if (got <= 0) fail("read");
      if ((missing[i] -= got) > 0) continue;
      answered++;
      if (sent >= wanted) continue;
      ask(fds[i]), sent++, missing[i] = size;
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("%.0f\n", answered / (end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) / 1e9));
}
