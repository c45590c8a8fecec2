// A token file, and what a client may send instead of the token.
#include "status/secrets.h"
#include "tests/fuzz/reader.h"

using namespace fer_ddp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = text_of(data, size);
  is_taken([&] {
    const std::string token = parse_token("--token-file", "fuzz.token", text);
    require(!token.empty() && text.starts_with(token), "the token is not the first line's");
    const BearerToken wanted(token);
    require(wanted.allows(bearer_authorization(token)), "the token is refused");
    const std::string_view rest = text.substr(token.size());
    require(!wanted.allows(rest) || rest.substr(7) == token, "something else is taken for the token");
  });
  static const BearerToken other("a token that no text holds: \x01");
  require(!other.allows(text) || text.substr(7) == "a token that no text holds: \x01", "a guess is allowed");
  return 0;
}
