// Certificates that a test makes for itself: authorities, and certificates signed by them, with keys that are new each
// time.
#pragma once

#include <string>

namespace fer_ddp {

struct Identity {
  std::string certificate;  // both in PEM form
  std::string key;
};

[[nodiscard]] Identity make_authority(const std::string& name);

enum class Validity { kNow, kExpired, kNotYet, kGarbled };

// `names` as OpenSSL writes them: "DNS:localhost,IP:127.0.0.1".
[[nodiscard]] Identity make_signed_by(const Identity& authority, const std::string& names,
                                      Validity validity = Validity::kNow);

// The same key, behind a passphrase.
[[nodiscard]] std::string encrypted(const std::string& key, const std::string& passphrase);

}  // namespace fer_ddp
