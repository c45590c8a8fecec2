#include "core/checksum.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include "core/error.h"

namespace fer_ddp {

namespace {

std::string hexadecimal(XXH128_hash_t hash) { return fmt::format("{:016x}{:016x}", hash.high64, hash.low64); }

}  // namespace

std::string checksum(std::span<const std::byte> bytes) { return hexadecimal(XXH3_128bits(bytes.data(), bytes.size())); }

std::string checksum(std::string_view text) { return checksum(std::as_bytes(std::span(text))); }

uint64_t short_hash(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

struct RunningChecksum::State {
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> value{XXH3_createState(), &XXH3_freeState};
};

RunningChecksum::RunningChecksum() : state_(std::make_unique<State>()) { reset(); }
RunningChecksum::RunningChecksum(RunningChecksum&&) noexcept = default;
RunningChecksum& RunningChecksum::operator=(RunningChecksum&&) noexcept = default;
RunningChecksum::~RunningChecksum() = default;

void RunningChecksum::reset() { XXH3_128bits_reset(state_->value.get()); }

void RunningChecksum::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_->value.get(), bytes.data(), bytes.size());
}

std::string RunningChecksum::digits() const { return hexadecimal(XXH3_128bits_digest(state_->value.get())); }

std::string file_checksum(const std::filesystem::path& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) throw machine_error(fmt::format("{}: cannot be read: {}", path.string(), errno_text(errno)));
  RunningChecksum running;
  std::vector<char> block(size_t{1} << 20);
  while (const size_t size = std::fread(block.data(), 1, block.size(), file.get()))
    running.add(std::as_bytes(std::span(block).first(size)));
  if (std::ferror(file.get()) != 0)
    throw machine_error(fmt::format("{}: reading failed: {}", path.string(), errno_text(errno)));
  return running.digits();
}

}  // namespace fer_ddp
