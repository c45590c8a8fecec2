// The bearer token that a service asks for, kept as a digest, and compared in a time that tells nothing of where a
// guess goes wrong. Immutable, so safe to share between threads.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace fer_ddp {

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
