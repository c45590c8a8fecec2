// What the fuzzers share. Whatever bytes it is given, a reader takes them or refuses them with an Error of the user's;
// any other exception, a crash, a leak, a hang, undefined behaviour, or memory out of proportion is a finding. Each
// file beside this one defines libFuzzer's LLVMFuzzerTestOneInput for one reader; corpus/NAME holds what it starts
// from.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "core/error.h"

namespace fer_ddp {

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Ends the process where `condition` does not hold: a finding.
inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "finding: %s\n", what);
  std::abort();
}

// Whether `read` takes what it reads.
template <typename Read>
bool is_taken(const Read& read) {
  try {
    read();
    return true;
  } catch (const Error& error) {
    require(error.fault() == Fault::kUser, error.what());
    return false;
  }
}

}  // namespace fer_ddp
