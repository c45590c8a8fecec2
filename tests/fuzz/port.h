// Sends raw bytes to a port of this machine and waits for the other side to end the connection, as it must once it has
// seen ours end.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "status/address.h"
#include "status/socket.h"
#include "tests/fuzz/reader.h"

namespace fer_ddp {

// Returns what came back.
inline std::string send_and_hang_up(const HostAndPort& address, std::string_view bytes) {
  constexpr std::chrono::seconds kPatience{120};  // beside others on a full machine, whose turn comes first
  const Socket socket(bare_host(address), address.port, kPatience);
  require(socket.connected(), "nobody listens any more");
  while (!bytes.empty()) {
    require(socket.wait_for(POLLOUT), "nothing more is taken");
    const ssize_t sent = send(socket.descriptor(), bytes.data(), bytes.size(), 0);
    if (sent < 0) return {};  // ended by the other side already
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  shutdown(socket.descriptor(), SHUT_WR);
  std::string answer;
  std::array<char, 65536> piece{};
  while (true) {
    require(socket.wait_for(POLLIN), "the connection stays open");
    const ssize_t got = recv(socket.descriptor(), piece.data(), piece.size(), 0);
    if (got <= 0) return answer;
    answer.append(piece.data(), static_cast<size_t>(got));
  }
}

}  // namespace fer_ddp
