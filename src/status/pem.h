// Certificates and keys in PEM form, as OpenSSL reads them, checked before they are handed to gRPC: that one would only
// say that it cannot listen, or that no connection came about.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

struct x509_st;  // OpenSSL's X509

namespace fer_ddp {

// A file's text, and what to call it in a message: "OPTION: PATH".
struct PemFile {
  std::string option{};
  std::filesystem::path path{};
  std::string text{};

  [[nodiscard]] std::string title() const { return option + ": " + path.string(); }
};

// A file of certificates, of which the first is whose key, names and time are asked for.
struct CertificateFile : PemFile {
  std::shared_ptr<x509_st> first{};
};

// Certificates. Throws Error (the user's fault), naming option and file, if it cannot be read, holds none, or holds one
// that is damaged.
[[nodiscard]] CertificateFile read_certificates(const std::string& option, const std::filesystem::path& path);

// The same from text that was read elsewhere.
[[nodiscard]] CertificateFile parse_certificates(const std::string& option, const std::filesystem::path& path,
                                                 std::string text);

// The private key of the first of `certificates`. Throws Error (the user's fault), naming option and file, if it cannot
// be read, is open to others, encrypted, damaged, or another certificate's.
[[nodiscard]] PemFile read_key_of(const CertificateFile& certificates, const std::string& option,
                                  const std::filesystem::path& path);

// The same from text that was read elsewhere.
[[nodiscard]] PemFile parse_key_of(const CertificateFile& certificates, const std::string& option,
                                   const std::filesystem::path& path, std::string text);

// Throws Error (the user's fault) unless now lies within the time for which the first certificate holds.
void require_valid_now(const CertificateFile& certificates);

// The first certificate alone.
[[nodiscard]] std::string first_certificate(const CertificateFile& certificates);

// A certificate in PEM form.
[[nodiscard]] std::string certificate_text(x509_st& certificate);

// The names and addresses that the first certificate was made for, its subject's common name if it says no others.
[[nodiscard]] std::vector<std::string> certificate_names(const CertificateFile& certificates);

}  // namespace fer_ddp
