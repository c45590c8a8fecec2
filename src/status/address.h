// Where a status service may listen: HOST:PORT, loopback alone, since it speaks in the clear. Pure functions.
#pragma once

#include <string>

namespace fer_ddp {

// Throws Error (the user's fault) unless `address` is 127.x.y.z, localhost or [::1] with a port from 0 to 65535.
void require_loopback(const std::string& address);

}  // namespace fer_ddp
