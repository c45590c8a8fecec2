// Why no call reached a status service. gRPC says no more than "unavailable", so the way is gone once more by hand,
// with deadlines: a connection, then a TLS handshake, whose outcome names what is wrong in words that tell what to do.
#pragma once

#include "core/error.h"
#include "status/address.h"
#include "status/service_security.h"

namespace fer_ddp {

// Nobody listens at the address, or the run ended in the middle of a call.
class ServiceGone : public Error {
 public:
  using Error::Error;
};

// Throws ServiceGone where nobody listens, else Error (the user's fault) where TLS does not come about as `access` has
// it; where nothing is wrong with it, ServiceGone again, as the service must have gone meanwhile.
[[noreturn]] void explain_unreachable(const HostAndPort& address, const ServiceAccess& access);

}  // namespace fer_ddp
