// Where a service may listen and a client may knock: HOST:PORT. Pure functions.
#pragma once

#include <string>

namespace fer_ddp {

struct HostAndPort {
  std::string host;  // an IPv6 address stands in brackets
  int port = 0;
};

// Throws Error (the user's fault) unless `address` is a host, a colon and a port from 0 to 65535. `option` is where the
// address was given, for the message.
[[nodiscard]] HostAndPort parse_address(const std::string& option, const std::string& address);

// 127.x.y.z, localhost or [::1]: reached from this very machine alone.
[[nodiscard]] bool is_loopback(const HostAndPort& address);

// 0.0.0.0 or [::]: all of a machine's addresses, and none to connect to.
[[nodiscard]] bool is_wildcard(const HostAndPort& address);

// The host without an IPv6 address's brackets, as the system's resolver takes it.
[[nodiscard]] std::string bare_host(const HostAndPort& address);

// HOST:PORT again.
[[nodiscard]] std::string address_text(const HostAndPort& address);

}  // namespace fer_ddp
