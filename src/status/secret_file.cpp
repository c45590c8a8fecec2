#include "status/secret_file.h"

#include <fmt/format.h>
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

}  // namespace fer_ddp
