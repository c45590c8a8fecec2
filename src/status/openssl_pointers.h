// OpenSSL's objects, freed when their owner goes. Inside this room alone: no public header shows OpenSSL.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace fer_ddp {

template <typename Object, auto free_object>
struct OpensslFree {
  void operator()(Object* object) const { static_cast<void>(free_object(object)); }
};

template <typename Object, auto free_object>
using OpensslPointer = std::unique_ptr<Object, OpensslFree<Object, free_object>>;

using BioPointer = OpensslPointer<BIO, BIO_free_all>;
using CertificatePointer = OpensslPointer<X509, X509_free>;
using KeyPointer = OpensslPointer<EVP_PKEY, EVP_PKEY_free>;
using NamesPointer = OpensslPointer<GENERAL_NAMES, GENERAL_NAMES_free>;
using TlsPointer = OpensslPointer<SSL, SSL_free>;
using TlsContextPointer = OpensslPointer<SSL_CTX, SSL_CTX_free>;

// Reads a text that outlives it.
inline BioPointer reader_of(const std::string& text) {
  return BioPointer(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

}  // namespace fer_ddp
