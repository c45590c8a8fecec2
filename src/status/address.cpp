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

// A name, an IPv4 address, or an IPv6 address in brackets; no scheme, path, list or suffix that a server might heed.
bool is_host(const std::string& text) {
  const bool bracketed = text.size() > 2 && text.front() == '[' && text.back() == ']';
  const std::string inner = bracketed ? text.substr(1, text.size() - 2) : text;
  return !inner.empty() && std::all_of(inner.begin(), inner.end(), [bracketed](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || (bracketed && (c == ':' || c == '%'));
  });
}

}  // namespace

HostAndPort parse_address(const std::string& option, const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || !is_host(address.substr(0, colon)) || !is_port(address.substr(colon + 1)))
    throw user_error(fmt::format("{} is \"{}\", expected HOST:PORT", option, address),
                     "For example 127.0.0.1:50051; RUN/status.json holds a live run's address.");
  return {.host = address.substr(0, colon), .port = std::stoi(address.substr(colon + 1))};
}

bool is_loopback(const HostAndPort& address) {
  return address.host == "localhost" || address.host == "[::1]" || is_loopback_ipv4(address.host);
}

bool is_wildcard(const HostAndPort& address) { return address.host == "0.0.0.0" || address.host == "[::]"; }

std::string bare_host(const HostAndPort& address) {
  const std::string& host = address.host;
  return host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
}

std::string address_text(const HostAndPort& address) { return fmt::format("{}:{}", address.host, address.port); }

}  // namespace fer_ddp
