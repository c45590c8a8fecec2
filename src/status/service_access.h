// How a client comes in at a status service: what it trusts, and what it shows. A plain value; the texts are PEM, not
// paths.
#pragma once

#include <optional>
#include <string>

namespace fer_ddp {

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

}  // namespace fer_ddp
