#include "status/service_security.h"

#include <fmt/format.h>

#include "core/error.h"
#include "status/address.h"
#include "status/pem.h"
#include "status/secrets.h"

namespace fer_ddp {

namespace {

void require_whole_set(const Config& config) {
  if (config.status_tls_certificate.has_value() != config.status_tls_key.has_value()) {
    const bool key_missing = config.status_tls_certificate.has_value();
    throw user_error(fmt::format("{} is set, but {} is not", key_missing ? "status_tls_certificate" : "status_tls_key",
                                 key_missing ? "status_tls_key" : "status_tls_certificate"),
                     "TLS needs both: a certificate and its key.");
  }
  if (config.status_tls_client_ca && !config.status_tls_certificate)
    throw user_error("status_tls_client_ca is set, but status_tls_certificate and status_tls_key are not",
                     "Clients show certificates over TLS alone: set those two as well.");
}

ServiceSecurity::Tls read_tls(const Config& config) {
  const CertificateFile certificate = read_certificates("status_tls_certificate", *config.status_tls_certificate);
  require_valid_now(certificate);
  ServiceSecurity::Tls tls{.certificate = certificate.text,
                           .key = read_key_of(certificate, "status_tls_key", *config.status_tls_key).text};
  if (config.status_tls_client_ca)
    tls.client_ca = read_certificates("status_tls_client_ca", *config.status_tls_client_ca).text;
  return tls;
}

}  // namespace

ServiceSecurity read_service_security(const Config& config) {
  ServiceSecurity security;
  if (!config.status_address) return security;
  require_whole_set(config);
  if (config.status_tls_certificate) security.tls = read_tls(config);
  if (config.status_token_file) security.token = read_token_file("status_token_file", *config.status_token_file);
  require_guarded(*config.status_address, security);
  return security;
}

void require_guarded(const std::string& status_address, const ServiceSecurity& security) {
  if (is_loopback(parse_address("status_address", status_address))) return;
  if (!security.tls)
    throw user_error(
        fmt::format("status_address is \"{}\", not a loopback address: the service would speak in the clear",
                    status_address),
        "Set status_tls_certificate and status_tls_key, and status_token_file or status_tls_client_ca; or use "
        "127.0.0.1:PORT and reach it from elsewhere by ssh -L.");
  if (security.token.empty() && security.tls->client_ca.empty())
    throw user_error(
        fmt::format("status_address is \"{}\", not a loopback address: anybody might ask there", status_address),
        "Set status_token_file, or status_tls_client_ca, or both.");
}

}  // namespace fer_ddp
