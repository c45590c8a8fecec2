#include "status/secrets.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/atomic_file.h"
#include "core/error.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

constexpr mode_t kOthersRights = 077;
constexpr std::string_view kScheme = "Bearer ";  // its case does not matter (RFC 7235)

std::array<unsigned char, SHA256_DIGEST_LENGTH> digest_of(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

}  // namespace

std::string read_secret_file(const std::string& option, const fs::path& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0 || access(path.c_str(), R_OK) != 0)
    throw user_error(fmt::format("{}: {} cannot be read: {}", option, path.string(), errno_text(errno)));
  if (!S_ISREG(facts.st_mode)) throw user_error(fmt::format("{}: {} is no file", option, path.string()));
  if (facts.st_uid == geteuid() && (facts.st_mode & kOthersRights) != 0)
    throw user_error(fmt::format("{}: {} is open to others (mode {:04o}): it is no secret", option, path.string(),
                                 facts.st_mode & 07777),
                     fmt::format("Renew it if others may have read it, then: chmod 600 {}", path.string()));
  return read_file(path, kMostTextBytes);
}

std::string read_token_file(const std::string& option, const fs::path& path) {
  return parse_token(option, path, read_secret_file(option, path));
}

std::string parse_token(const std::string& option, const fs::path& path, std::string_view text) {
  std::string token(text.substr(0, text.find('\n')));
  token.erase(token.find_last_not_of(" \t\r") + 1);
  if (token.empty())
    throw user_error(fmt::format("{}: the first line of {} is empty, expected a token", option, path.string()),
                     fmt::format("For example: (umask 077; openssl rand -hex 32 > {})", path.string()));
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 127; }))
    throw user_error(fmt::format("{}: the first line of {} is no token: it holds a blank or a character beyond ASCII",
                                 option, path.string()),
                     fmt::format("For example: (umask 077; openssl rand -hex 32 > {})", path.string()));
  return token;
}

BearerToken::BearerToken(std::string_view token) : digest_(digest_of(token)) {}

bool BearerToken::allows(std::string_view authorization) const {
  if (authorization.size() < kScheme.size() || strncasecmp(authorization.data(), kScheme.data(), kScheme.size()) != 0)
    return false;
  const auto digest = digest_of(authorization.substr(kScheme.size()));
  return CRYPTO_memcmp(digest.data(), digest_.data(), digest_.size()) == 0;
}

std::string bearer_authorization(const std::string& token) { return std::string(kScheme) + token; }

}  // namespace fer_ddp
