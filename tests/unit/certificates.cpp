#include "certificates.h"

#include <openssl/pem.h>

#include <stdexcept>
#include <utility>

#include "status/openssl_pointers.h"

namespace fer_ddp {

namespace {

constexpr long kDay = 24 * 60 * 60;

BioPointer reader_of(const std::string& text) {
  return BioPointer(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

CertificatePointer certificate_of(const Identity& identity) {
  return CertificatePointer(PEM_read_bio_X509(reader_of(identity.certificate).get(), nullptr, nullptr, nullptr));
}

KeyPointer key_of(const std::string& text) {
  return KeyPointer(PEM_read_bio_PrivateKey(reader_of(text).get(), nullptr, nullptr, nullptr));
}

template <typename Write>
std::string written(Write write) {
  const BioPointer writer(BIO_new(BIO_s_mem()));
  if (write(writer.get()) != 1) throw std::runtime_error("OpenSSL cannot write PEM");
  char* text = nullptr;
  const auto length = BIO_get_mem_data(writer.get(), &text);
  return {text, static_cast<size_t>(length)};
}

std::string key_text(EVP_PKEY* key) {
  return written([key](BIO* out) { return PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

std::pair<long, long> bounds_of(Validity validity) {
  switch (validity) {
    case Validity::kExpired:
      return {-2 * kDay, -kDay};
    case Validity::kNotYet:
      return {kDay, 2 * kDay};
    case Validity::kNow:
    case Validity::kGarbled:
      break;
  }
  return {-kDay, kDay};
}

void extend(X509* certificate, int extension, const std::string& value) {
  X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, nullptr, extension, value.c_str());
  if (made == nullptr) throw std::runtime_error("OpenSSL does not understand " + value);
  X509_add_ext(certificate, made, -1);
  X509_EXTENSION_free(made);
}

// A certificate for `key`, not signed yet.
CertificatePointer draft(EVP_PKEY* key, const std::string& name, Validity validity) {
  CertificatePointer certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  const auto [begin, end] = bounds_of(validity);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), begin);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), end);
  if (validity == Validity::kGarbled) ASN1_STRING_set(X509_getm_notAfter(certificate.get()), "soon", -1);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

Identity signed_identity(X509* certificate, const X509_NAME* issuer, EVP_PKEY* issuers_key, EVP_PKEY* key) {
  X509_set_issuer_name(certificate, issuer);
  X509_sign(certificate, issuers_key, EVP_sha256());
  return {.certificate = written([&](BIO* out) { return PEM_write_bio_X509(out, certificate); }), .key = key_text(key)};
}

}  // namespace

Identity make_authority(const std::string& name) {
  const KeyPointer key(EVP_EC_gen("P-256"));
  const CertificatePointer certificate = draft(key.get(), name, Validity::kNow);
  extend(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  return signed_identity(certificate.get(), X509_get_subject_name(certificate.get()), key.get(), key.get());
}

Identity make_signed_by(const Identity& authority, const std::string& names, Validity validity) {
  const KeyPointer key(EVP_EC_gen("P-256"));
  const CertificatePointer certificate = draft(key.get(), "fer-ddp test", validity);
  extend(certificate.get(), NID_subject_alt_name, names);
  return signed_identity(certificate.get(), X509_get_subject_name(certificate_of(authority).get()),
                         key_of(authority.key).get(), key.get());
}

std::string encrypted(const std::string& key, const std::string& passphrase) {
  return written([&](BIO* out) {
    return PEM_write_bio_PKCS8PrivateKey(out, key_of(key).get(), EVP_aes_128_cbc(), passphrase.data(),
                                         static_cast<int>(passphrase.size()), nullptr, nullptr);
  });
}

}  // namespace fer_ddp
