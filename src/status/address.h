// Where a status service may listen: HOST:PORT, loopback alone, since it speaks in the clear. Pure functions.
#pragma once

#include <string>

namespace fer_ddp {

// Throws Error (the user's fault) unless `address` is a host, a colon and a port from 0 to 65535.
void require_host_and_port(const std::string& address);

// Throws Error (the user's fault), naming the key status_address, unless the host is 127.x.y.z, localhost or [::1] as
// well.
void require_loopback(const std::string& address);

}  // namespace fer_ddp
