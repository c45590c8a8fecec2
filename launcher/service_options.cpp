#include "launcher/service_options.h"

#include <fmt/format.h>

#include <vector>

#include "core/error.h"
#include "status/pem.h"
#include "status/secrets.h"

namespace fer_ddp {

namespace {

// The run's very certificate is trusted, under whatever name it was made for.
void trust_certificate_of(const StatusFile& run, ServiceAccess::Tls& tls) {
  const CertificateFile certificate = read_certificates(fmt::format("run {}", run.run), run.tls_certificate);
  tls.ca = first_certificate(certificate);
  const std::vector<std::string> names = certificate_names(certificate);
  if (tls.server_name.empty() && !names.empty()) tls.server_name = names.front();
}

// A path in somebody else's file could lead to a secret of this user's, and send it to whoever wrote it there.
std::string token_of(const StatusFile& run) {
  if (!run.own)
    throw user_error(fmt::format("run {} wants a token, and is another user's", run.run),
                     "Give --token-file FILE, a file of your own that holds the run's token.");
  return read_token_file(fmt::format("run {}", run.run), run.token_file);
}

}  // namespace

void add_service_options(CLI::App& command, ServiceOptions& options) {
  command.add_option("--ca", options.ca, "Speak TLS; PEM file of the CA that signed the service's certificate");
  CLI::Option* certificate =
      command.add_option("--certificate", options.certificate, "PEM file of the certificate to show, with --key");
  CLI::Option* key = command.add_option("--key", options.key, "PEM file of that certificate's key");
  certificate->needs(key);
  key->needs(certificate);
  command.add_option("--server-name", options.server_name,
                     "Name that the service's certificate was made for, if not the address's host");
  command.add_option("--token-file", options.token_file, "File whose first line is the run's token");
}

ServiceAccess access_by_options(const ServiceOptions& options) {
  ServiceAccess access;
  const bool shows_certificate = !options.certificate.empty();
  if (options.ca.empty() && (shows_certificate || !options.server_name.empty()))
    throw user_error(
        fmt::format("{} was given, but --ca was not", shows_certificate ? "--certificate" : "--server-name"),
        "Give the CA that signed the service's certificate, or the certificate itself, as --ca FILE.");
  if (!options.ca.empty())
    access.tls =
        ServiceAccess::Tls{.ca = read_certificates("--ca", options.ca).text, .server_name = options.server_name};
  if (shows_certificate) {
    const CertificateFile certificate = read_certificates("--certificate", options.certificate);
    access.tls->certificate = certificate.text;
    access.tls->key = read_key_of(certificate, "--key", options.key).text;
  }
  if (!options.token_file.empty()) access.token = read_token_file("--token-file", options.token_file);
  return access;
}

ServiceAccess access_to_run(const StatusFile& run, const ServiceOptions& options) {
  ServiceOptions given = options;
  const bool by_run = options.ca.empty() && !run.tls_certificate.empty();
  if (by_run) given.ca = run.tls_certificate;
  ServiceAccess access = access_by_options(given);
  if (by_run) trust_certificate_of(run, *access.tls);
  if (!run.tls_client_ca.empty() && access.tls->certificate.empty())
    throw user_error(fmt::format("run {} wants a client certificate", run.run),
                     fmt::format("Give --certificate FILE and --key FILE, signed by {}.", run.tls_client_ca));
  if (access.token.empty() && !run.token_file.empty()) access.token = token_of(run);
  return access;
}

}  // namespace fer_ddp
