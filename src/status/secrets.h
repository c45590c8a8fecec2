// Files that hold secrets, private keys and bearer tokens, and the check of a token that a client sends. ssh's rule
// holds: a file of this user's own that others may read or write is refused, since it is no secret any more; whether
// another owner's file may be read is for that owner to say. No message ever shows what such a file holds.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

namespace fer_ddp {

// The whole file. Throws Error (the user's fault) naming `option`, where the path was given, and the path.
[[nodiscard]] std::string read_secret_file(const std::string& option, const std::filesystem::path& path);

// The first line of a token file, without blanks at its end. Throws Error (the user's fault) if it is empty, or holds
// what may not stand in a header: blanks, control characters, anything beyond ASCII.
[[nodiscard]] std::string read_token_file(const std::string& option, const std::filesystem::path& path);

// The same from text that was read elsewhere.
[[nodiscard]] std::string parse_token(const std::string& option, const std::filesystem::path& path,
                                      std::string_view text);

// The bearer token that a service asks for, kept as a digest, and compared in a time that tells nothing of where a
// guess goes wrong. Immutable, so safe to share between threads.
class BearerToken {
 public:
  explicit BearerToken(std::string_view token);

  // `authorization` is what a client sent under that name: "Bearer TOKEN".
  [[nodiscard]] bool allows(std::string_view authorization) const;

 private:
  std::array<unsigned char, 32> digest_;
};

// What a client sends under the name "authorization".
[[nodiscard]] std::string bearer_authorization(const std::string& token);

}  // namespace fer_ddp
