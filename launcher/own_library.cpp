#include "launcher/own_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>
#include <string_view>

#include "core/build_hash.h"
#include "core/error.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

fs::path path_of(const char* file) { return fs::read_symlink("/proc/self/exe").parent_path() / file; }

}  // namespace

bool has_own_library(const char* file) {
  std::error_code ignored;
  return fs::exists(path_of(file), ignored);
}

void* load_own_library(const char* file, const char* symbol, const std::string& advice) {
  const fs::path path = path_of(file);
  if (!has_own_library(file))
    throw machine_error(fmt::format("{} is not there: this fer-ddp is not whole", path.string()),
                        "It belongs beside the executable: build, install or unpack both together.");
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr)
    throw machine_error(fmt::format("{} cannot be loaded: {}", path.string(), ::dlerror()), advice);
  const auto* const hash = static_cast<const char*>(::dlsym(library, "fer_ddp_build_hash"));
  void* const address = ::dlsym(library, symbol);
  if (address == nullptr || hash == nullptr || std::string_view(hash) != fer_ddp_build_hash)
    throw machine_error(fmt::format("{} is of another build than the executable", path.string()),
                        "Build, install or unpack both together.");
  return address;
}

}  // namespace fer_ddp
