// XXH3-128 checksums, written as 32 hexadecimal digits. They find damage and difference; they are no defence against an
// attacker. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace fer_ddp {

[[nodiscard]] std::string checksum(std::span<const std::byte> bytes);
[[nodiscard]] std::string checksum(std::string_view text);

// XXH3-64, for tables in memory.
[[nodiscard]] uint64_t short_hash(std::span<const std::byte> bytes);

// The checksum of bytes that come piece by piece, the same as checksum() of all of them at once.
class RunningChecksum {
 public:
  RunningChecksum();
  RunningChecksum(RunningChecksum&&) noexcept;
  RunningChecksum& operator=(RunningChecksum&&) noexcept;
  ~RunningChecksum();
  void reset();  // as if nothing had been added
  void add(std::span<const std::byte> bytes);
  [[nodiscard]] std::string digits() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Reads the whole file once. Throws Error (the machine's fault) if it cannot be read.
[[nodiscard]] std::string file_checksum(const std::filesystem::path& path);

}  // namespace fer_ddp
