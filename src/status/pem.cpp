#include "status/pem.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <optional>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "status/openssl_pointers.h"
#include "status/secrets.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

// Why the newest OpenSSL call failed, in its own words; forgets it.
std::string openssl_reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string text = reason == nullptr ? "unknown form" : reason;
  ERR_clear_error();
  return text;
}

// Of all that the text holds, which must be sound, the first.
CertificatePointer first_of(const PemFile& file) {
  const BioPointer reader = reader_of(file.text);
  CertificatePointer first;
  int count = 0;
  while (CertificatePointer each{PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr)})
    if (count++ == 0) first = std::move(each);
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!first && at_end) {
    ERR_clear_error();
    throw user_error(fmt::format("{}: holds no certificate in PEM form", file.title()),
                     "Such a file has lines BEGIN CERTIFICATE and END CERTIFICATE.");
  }
  if (!at_end)
    throw user_error(fmt::format("{}: certificate {} is damaged: {}", file.title(), count + 1, openssl_reason()));
  ERR_clear_error();
  return first;
}

// Nobody is there to be asked for a passphrase.
int no_passphrase(char*, int, int, void*) { return -1; }

// Whether a whole block of the text is a private key, of any kind. What is in it is left to key_of().
bool has_key_block(const std::string& text) {
  unsigned char* content = nullptr;
  long length = 0;
  if (PEM_bytes_read_bio(&content, &length, nullptr, PEM_STRING_EVP_PKEY, reader_of(text).get(), no_passphrase,
                         nullptr) != 1)
    return false;
  OPENSSL_clear_free(content, static_cast<size_t>(length));
  return true;
}

// Nothing where there is none: openssl_reason() says why. The block is looked at first, since PEM_read_bio_PrivateKey()
// calls whatever is broken "unsupported", after it tried all of its decoders.
KeyPointer key_of(const std::string& text) {
  if (!has_key_block(text)) return nullptr;
  return KeyPointer(PEM_read_bio_PrivateKey(reader_of(text).get(), nullptr, no_passphrase, nullptr));
}

std::string asn1_text(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<size_t>(ASN1_STRING_length(text))};
}

std::string ip_text(const ASN1_STRING* address) {
  const int length = ASN1_STRING_length(address);
  if (length != sizeof(in_addr) && length != sizeof(in6_addr)) return "";
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = length == sizeof(in_addr) ? AF_INET : AF_INET6;
  return inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size()) == nullptr ? "" : text.data();
}

std::optional<std::string> common_name(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return std::nullopt;
  return asn1_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

std::string written_text(BIO* writer) {
  char* text = nullptr;
  const auto length = BIO_get_mem_data(writer, &text);
  return {text, static_cast<size_t>(length)};
}

std::string time_text(const ASN1_TIME* time) {
  const BioPointer writer(BIO_new(BIO_s_mem()));
  ASN1_TIME_print(writer.get(), time);
  return written_text(writer.get());
}

}  // namespace

CertificateFile read_certificates(const std::string& option, const fs::path& path) {
  std::string text;
  try {
    text = read_file(path, kMostTextBytes);
  } catch (const Error& problem) {
    throw Error(problem.fault(), fmt::format("{}: {}", option, problem.what()), problem.advice());
  }
  return parse_certificates(option, path, std::move(text));
}

CertificateFile parse_certificates(const std::string& option, const fs::path& path, std::string text) {
  CertificateFile file{{.option = option, .path = path, .text = std::move(text)}, nullptr};
  file.first = first_of(file);
  return file;
}

PemFile read_key_of(const CertificateFile& certificates, const std::string& option, const fs::path& path) {
  return parse_key_of(certificates, option, path, read_secret_file(option, path));
}

PemFile parse_key_of(const CertificateFile& certificates, const std::string& option, const fs::path& path,
                     std::string text) {
  PemFile file{.option = option, .path = path, .text = std::move(text)};
  const KeyPointer key = key_of(file.text);
  if (!key) {
    const bool encrypted = file.text.find("ENCRYPTED") != std::string::npos;
    const std::string reason = openssl_reason();
    if (encrypted)
      throw user_error(
          fmt::format("{}: the key is encrypted, and nobody is there to give its passphrase", file.title()),
          fmt::format("(umask 077; openssl pkey -in {} -out plain.key) takes it away.", path.string()));
    throw user_error(fmt::format("{}: holds no private key in PEM form: {}", file.title(), reason),
                     "Such a file has lines BEGIN PRIVATE KEY and END PRIVATE KEY, and base64 text between them.");
  }
  if (X509_check_private_key(certificates.first.get(), key.get()) != 1) {
    ERR_clear_error();
    throw user_error(fmt::format("{}: is not the key of the certificate {} ({})", file.title(),
                                 certificates.path.string(), certificates.option),
                     "Of several certificates in the file, the first is the one that counts.");
  }
  return file;
}

void require_valid_now(const CertificateFile& certificates) {
  const ASN1_TIME* begin = X509_get0_notBefore(certificates.first.get());
  const ASN1_TIME* end = X509_get0_notAfter(certificates.first.get());
  if (X509_cmp_current_time(begin) == 0 || X509_cmp_current_time(end) == 0)  // which stands for no time at all
    throw user_error(
        fmt::format("{}: the certificate does not say in a known form for how long it holds", certificates.title()),
        "Clients would refuse it: make a new one.");
  if (X509_cmp_current_time(end) < 0)
    throw user_error(fmt::format("{}: the certificate expired on {}", certificates.title(), time_text(end)),
                     "Clients would refuse it: make a new one.");
  if (X509_cmp_current_time(begin) > 0)
    throw user_error(fmt::format("{}: the certificate holds from {} on", certificates.title(), time_text(begin)),
                     "Clients would refuse it before. Is this machine's clock right?");
}

std::string first_certificate(const CertificateFile& certificates) { return certificate_text(*certificates.first); }

std::string certificate_text(x509_st& certificate) {
  const BioPointer writer(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(writer.get(), &certificate);
  return written_text(writer.get());
}

std::vector<std::string> certificate_names(const CertificateFile& certificates) {
  const X509* first = certificates.first.get();
  std::vector<std::string> names;
  const NamesPointer listed(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(first, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(listed.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(listed.get(), i);
    if (name->type == GEN_DNS) names.push_back(asn1_text(name->d.dNSName));
    if (name->type == GEN_IPADD) names.push_back(ip_text(name->d.iPAddress));
  }
  std::erase(names, "");
  if (names.empty())
    if (const std::optional<std::string> name = common_name(first)) names.push_back(*name);
  return names;
}

}  // namespace fer_ddp
