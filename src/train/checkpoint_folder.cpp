#include "train/checkpoint_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>

#include "core/atomic_file.h"
#include "core/checksum.h"
#include "core/error.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

constexpr const char* kMark = "COMPLETE";

bool is_complete(const fs::path& checkpoint) { return fs::exists(checkpoint / kMark); }

// The files of a complete checkpoint. Throws Error or nlohmann::json::exception if any is missing or not as it was
// written.
CheckpointFiles read_checked(const fs::path& checkpoint) {
  CheckpointFiles files;
  const auto checksums = nlohmann::json::parse(read_file(checkpoint / kMark));
  for (const auto& [name, expected] : checksums.items()) {
    std::string bytes = read_file(checkpoint / name);
    if (checksum(bytes) != expected.get<std::string>()) throw machine_error(fmt::format("{} is damaged", name));
    files[name] = std::move(bytes);
  }
  return files;
}

void remove_quietly(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

}  // namespace

std::vector<fs::path> CheckpointFolder::newest_first() const {
  std::vector<fs::path> checkpoints;
  if (!fs::is_directory(folder_)) return checkpoints;
  for (const auto& entry : fs::directory_iterator(folder_))
    if (entry.is_directory() && entry.path().filename().string().starts_with("epoch-"))
      checkpoints.push_back(entry.path());
  std::sort(checkpoints.rbegin(), checkpoints.rend());  // zero-padded names sort by position
  return checkpoints;
}

void CheckpointFolder::write(int epoch, int64_t step, const CheckpointContent& content) const {
  const fs::path checkpoint = folder_ / fmt::format("epoch-{:05}-step-{:08}", epoch, step);
  if (is_complete(checkpoint)) return;
  if (check_) check_();
  make_folder(folder_);
  remove_quietly(checkpoint);
  const fs::path aside = partial_path(checkpoint);
  remove_quietly(aside);
  make_folder(aside);
  nlohmann::ordered_json checksums = nlohmann::ordered_json::object();
  for (const auto& [name, source] : content) {
    RunningChecksum running;
    write_file_atomically(aside / name, [&](const ByteSink& to) {
      source([&](std::span<const std::byte> bytes) {
        running.add(bytes);
        to(bytes);
      });
    });
    checksums[name] = running.digits();
  }
  publish(checkpoint, check_);
  write_file_atomically(checkpoint / kMark, checksums.dump(2) + "\n", check_);

  int kept = 0;
  for (const fs::path& candidate : newest_first())
    if (!is_complete(candidate) || ++kept > keep_) remove_quietly(candidate);
}

std::optional<CheckpointFiles> CheckpointFolder::read_newest(std::vector<std::string>& passed_over) const {
  for (const fs::path& checkpoint : newest_first()) {
    try {
      if (is_complete(checkpoint)) return read_checked(checkpoint);
      passed_over.push_back(fmt::format("{} was never finished", checkpoint.string()));
    } catch (const std::exception& failure) {
      passed_over.push_back(fmt::format("{} cannot be used: {}", checkpoint.string(), failure.what()));
    }
  }
  return std::nullopt;
}

}  // namespace fer_ddp
