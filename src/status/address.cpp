#include "status/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "core/error.h"

namespace fer_ddp {

namespace {

bool is_loopback_ipv4(const std::string& host) {
  const bool numeric =
      std::all_of(host.begin(), host.end(), [](unsigned char c) { return std::isdigit(c) != 0 || c == '.'; });
  return numeric && host.starts_with("127.") && std::count(host.begin(), host.end(), '.') == 3;
}

bool is_port(const std::string& text) {
  const bool digits = !text.empty() && text.size() <= 5 &&
                      std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  return digits && std::stoi(text) <= 65535;
}

bool is_host_and_port(const std::string& address) {
  const size_t colon = address.rfind(':');
  return colon != std::string::npos && colon > 0 && is_port(address.substr(colon + 1));
}

}  // namespace

void require_host_and_port(const std::string& address) {
  if (is_host_and_port(address)) return;
  throw user_error(fmt::format("\"{}\" is no address of a status service, expected HOST:PORT", address),
                   "RUN/status.json holds a live run's address; --run RUN takes it from there.");
}

void require_loopback(const std::string& address) {
  if (!is_host_and_port(address))
    throw user_error(fmt::format("status_address is \"{}\", expected HOST:PORT", address),
                     "For example 127.0.0.1:0, any free port.");
  const std::string host = address.substr(0, address.rfind(':'));
  if (host == "localhost" || host == "[::1]" || is_loopback_ipv4(host)) return;
  throw user_error(
      fmt::format("status_address is \"{}\", not a loopback address: the service would speak in the clear", address),
      "Use 127.0.0.1:PORT and reach it from elsewhere by ssh -L, or null to switch the service off.");
}

}  // namespace fer_ddp
