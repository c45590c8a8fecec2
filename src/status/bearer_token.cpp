#include "status/bearer_token.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <strings.h>

namespace fer_ddp {

namespace {

constexpr std::string_view kScheme = "Bearer ";  // its case does not matter (RFC 7235)

std::array<unsigned char, SHA256_DIGEST_LENGTH> digest_of(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

}  // namespace

BearerToken::BearerToken(std::string_view token) : digest_(digest_of(token)) {}

bool BearerToken::allows(std::string_view authorization) const {
  if (authorization.size() < kScheme.size() || strncasecmp(authorization.data(), kScheme.data(), kScheme.size()) != 0)
    return false;
  const auto digest = digest_of(authorization.substr(kScheme.size()));
  return CRYPTO_memcmp(digest.data(), digest_.data(), digest_.size()) == 0;
}

std::string bearer_authorization(const std::string& token) { return std::string(kScheme) + token; }

}  // namespace fer_ddp
