// The program's own libraries, which lie beside the executable and are loaded by what needs them: the training library
// with LibTorch, the CUDA plug-in with NVIDIA's libraries. One that was left from another build is found out
// (core/build_hash.h) and not used.
#pragma once

#include <string>

namespace fer_ddp {

inline constexpr const char* kTrainingLibrary = "libfer_ddp_training.so";
inline constexpr const char* kCudaPlugin = "libfer_ddp_cuda.so";

// Whether a library of that file name lies beside the executable; whether it can be loaded here shows when it is.
[[nodiscard]] bool has_own_library(const char* file);

// Loads it for the rest of the process, with all that it leads to, and returns the address of one of its symbols. What
// it holds stays out of other libraries' sight. Throws Error (the machine's fault) where it is not there, cannot be
// loaded (with `advice`), or is of another build.
[[nodiscard]] void* load_own_library(const char* file, const char* symbol, const std::string& advice);

}  // namespace fer_ddp
