// Who may reach a run's status service, and how it proves who it is: TLS by certificate and key, a client CA that
// callers' certificates must be signed by, a bearer token. In the clear it is for loopback alone; off the node it also
// wants to know who asks. The files are read once, on rank 0, before anything trains. And the other side of it: what a
// client trusts and shows.
#pragma once

#include <optional>
#include <string>

#include "core/config.h"

namespace fer_ddp {

struct ServiceSecurity {
  struct Tls {
    std::string certificate{};  // these three in PEM form
    std::string key{};
    std::string client_ca{};  // empty: clients need no certificate
  };
  std::optional<Tls> tls{};
  std::string token{};  // empty: none is asked for
};

// How a client comes in. The texts are PEM, not paths.
struct ServiceAccess {
  struct Tls {
    std::string ca{};           // certificates trusted to sign the service's, or the service's own
    std::string certificate{};  // the client's; empty: it shows none
    std::string key{};
    std::string server_name{};  // looked for in the service's certificate; empty: the address's host
  };
  std::optional<Tls> tls{};  // none: in the clear
  std::string token{};       // empty: none is sent
};

// What the status_* keys ask for. Throws Error (the user's fault), naming key and file, if the keys do not go together,
// a file cannot be used, or the address would lie open.
[[nodiscard]] ServiceSecurity read_service_security(const Config& config);

// Throws Error (the user's fault) unless the address is loopback, or TLS and a token or a client CA guard it.
void require_guarded(const std::string& status_address, const ServiceSecurity& security);

}  // namespace fer_ddp
