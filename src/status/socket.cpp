#include "status/socket.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace fer_ddp {

Socket::Socket(const std::string& host, int port, std::chrono::milliseconds life) : end_(Clock::now() + life) {
  struct sigaction ignored {};
  ignored.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignored, &before_);

  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found) != 0) return;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  for (const addrinfo* address = found; address != nullptr && !connected(); address = address->ai_next) {
    descriptor_ = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor_ < 0) continue;
    int problem = connect(descriptor_, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    socklen_t size = sizeof(problem);
    if (problem == EINPROGRESS && wait_for(POLLOUT)) getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &problem, &size);
    if (problem == 0) return;
    close(descriptor_);
    descriptor_ = -1;
  }
}

Socket::~Socket() {
  if (connected()) close(descriptor_);
  sigaction(SIGPIPE, &before_, nullptr);
}

bool Socket::wait_for(short events) const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Clock::now()).count();
  pollfd waited{.fd = descriptor_, .events = events, .revents = 0};
  return poll(&waited, 1, static_cast<int>(std::max<int64_t>(left, 0))) > 0;
}

}  // namespace fer_ddp
