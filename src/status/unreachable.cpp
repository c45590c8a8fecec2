#include "status/unreachable.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <poll.h>

#include <array>

#include "status/openssl_pointers.h"
#include "status/pem.h"
#include "status/socket.h"

namespace fer_ddp {

namespace {

constexpr std::chrono::seconds kLife{3};

enum class Outcome {
  kNobody,            // no connection
  kNoTls,             // a connection, but no certificate came over it
  kRefusedByUs,       // the service's certificate is not to be trusted
  kRefusedByService,  // ours is not
  kFine
};

struct Handshake {
  Outcome outcome = Outcome::kNobody;
  long verdict = X509_V_OK;  // on the service's certificate
  std::string service_certificate{};
};

void trust(SSL_CTX* context, const std::string& ca) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  const BioPointer reader = reader_of(ca);
  while (const CertificatePointer certificate{PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr)})
    X509_STORE_add_cert(store, certificate.get());
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);  // as gRPC does: the service's own certificate may be given
}

void show(SSL_CTX* context, const ServiceAccess::Tls& tls) {
  const CertificatePointer certificate(PEM_read_bio_X509(reader_of(tls.certificate).get(), nullptr, nullptr, nullptr));
  const KeyPointer key(PEM_read_bio_PrivateKey(reader_of(tls.key).get(), nullptr, nullptr, nullptr));
  if (certificate) SSL_CTX_use_certificate(context, certificate.get());
  if (key) SSL_CTX_use_PrivateKey(context, key.get());
}

TlsContextPointer tls_context(const ServiceAccess& access) {
  TlsContextPointer context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);  // goes on after a bad verdict, and remembers it
  constexpr std::array<unsigned char, 3> kHttp2 = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), kHttp2.data(), kHttp2.size());
  if (access.tls) {
    trust(context.get(), access.tls->ca);
    show(context.get(), *access.tls);
  }
  return context;
}

// An address and a name stand in different places of a certificate.
void expect_name(SSL* tls, const std::string& name) {
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), name.c_str()) == 1) return;
  SSL_set1_host(tls, name.c_str());
  SSL_set_tlsext_host_name(tls, name.c_str());
}

// Repeats `step` (SSL_connect, SSL_read) until it is done, fails, or time is up; true if it is done.
template <typename Step>
bool complete(SSL* tls, const Socket& socket, Step step) {
  for (;;) {
    ERR_clear_error();
    const int result = step();
    if (result > 0) return true;
    const int wanted = SSL_get_error(tls, result);
    if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE) return false;
    if (!socket.wait_for(wanted == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT)) return false;
  }
}

// With TLS 1.3 a service looks at its client's certificate after the handshake: what it then sends tells.
bool is_answered(SSL* tls, const Socket& socket) {
  char byte = 0;
  return complete(tls, socket, [&] { return SSL_read(tls, &byte, 1); });
}

Handshake shake_hands(const HostAndPort& address, const ServiceAccess& access) {
  const std::string host = bare_host(address);
  const Socket socket(host, address.port, kLife);
  if (!socket.connected()) return {};
  const TlsContextPointer context = tls_context(access);
  const TlsPointer tls(SSL_new(context.get()));
  SSL_set_fd(tls.get(), socket.descriptor());
  if (access.tls) expect_name(tls.get(), access.tls->server_name.empty() ? host : access.tls->server_name);
  const bool connected = complete(tls.get(), socket, [&] { return SSL_connect(tls.get()); });
  Handshake handshake{.outcome = Outcome::kNoTls, .verdict = SSL_get_verify_result(tls.get())};
  const CertificatePointer certificate(SSL_get1_peer_certificate(tls.get()));
  if (certificate) {
    handshake.service_certificate = certificate_text(*certificate);
    handshake.outcome = access.tls && handshake.verdict != X509_V_OK  ? Outcome::kRefusedByUs
                        : connected && is_answered(tls.get(), socket) ? Outcome::kFine
                                                                      : Outcome::kRefusedByService;
  }
  ERR_clear_error();
  return handshake;
}

Error certificate_not_trusted(const std::string& address, const Handshake& handshake) {
  const long verdict = handshake.verdict;
  const std::string what =
      fmt::format("the certificate of {} is not trusted: {}", address, X509_verify_cert_error_string(verdict));
  if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
    return user_error(
        what,
        fmt::format(
            "It was made for {}: ask under that name, or give --server-name.",
            fmt::join(certificate_names(parse_certificates("service", address, handshake.service_certificate)), ", ")));
  if (verdict == X509_V_ERR_CERT_HAS_EXPIRED || verdict == X509_V_ERR_CERT_NOT_YET_VALID)
    return user_error(what, "Is this machine's clock right? Then the run needs a new status_tls_certificate.");
  return user_error(what, "Give the CA that signed it, or the certificate itself, as --ca FILE.");
}

}  // namespace

void explain_unreachable(const HostAndPort& address, const ServiceAccess& access) {
  const std::string name = address_text(address);
  const Handshake handshake = shake_hands(address, access);
  switch (handshake.outcome) {
    case Outcome::kNobody:
      throw ServiceGone(Fault::kMachine, fmt::format("no run answers at {}", name));
    case Outcome::kNoTls:
      if (access.tls)
        throw user_error(fmt::format("{} answers, but not by TLS", name), "Leave out --ca if it speaks in the clear.");
      throw ServiceGone(Fault::kMachine, fmt::format("no run answers at {}, though something listens there", name));
    case Outcome::kRefusedByUs:
      throw certificate_not_trusted(name, handshake);
    case Outcome::kRefusedByService:
      if (access.tls && !access.tls->certificate.empty())
        throw user_error(fmt::format("{} refused the client certificate", name),
                         "It must be signed by the run's status_tls_client_ca, and not be expired.");
      if (access.tls)
        throw user_error(fmt::format("{} wants a client certificate", name),
                         "Give --certificate FILE and --key FILE, signed by the run's status_tls_client_ca.");
      [[fallthrough]];
    case Outcome::kFine:
      if (!access.tls)
        throw user_error(fmt::format("{} speaks TLS", name),
                         "Give the CA that signed its certificate, or the certificate itself, as --ca FILE.");
      throw ServiceGone(Fault::kMachine, fmt::format("no run answers at {} any more", name));
  }
  throw ServiceGone(Fault::kMachine, fmt::format("no run answers at {}", name));
}

}  // namespace fer_ddp
