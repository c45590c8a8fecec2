// A PEM file, as certificates, and as the key of its first one or of another.
#include "status/pem.h"

#include "certificates.h"
#include "tests/fuzz/reader.h"

using namespace fer_ddp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const CertificateFile sound = parse_certificates("sound", "sound.pem", make_authority("fuzz").certificate);
  const std::string text(text_of(data, size));
  CertificateFile file = sound;
  if (is_taken([&] { file = parse_certificates("--ca", "fuzz.pem", text); })) {
    is_taken([&] { require_valid_now(file); });
    static_cast<void>(certificate_names(file));
    is_taken([&] { static_cast<void>(parse_certificates("again", "again.pem", first_certificate(file))); });
  }
  is_taken([&] { static_cast<void>(parse_key_of(file, "--key", "fuzz.key", text)); });
  return 0;
}
