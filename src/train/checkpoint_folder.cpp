#include "train/checkpoint_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <system_error>

#include "core/atomic_file.h"
#include "core/checksum.h"
#include "core/error.h"
#include "core/json_reader.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

constexpr const char* kMark = "COMPLETE";
constexpr std::string_view kEpochWord = "epoch-";
constexpr std::string_view kStepWord = "-step-";

// What the files say of themselves, as opposed to a disk that does not let them be read.
class Damage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

bool is_complete(const fs::path& checkpoint) { return fs::exists(checkpoint / kMark); }

bool is_plain(const std::string& name) { return fs::path(name).filename() == name && name != "." && name != ".."; }

std::string read_part(const fs::path& checkpoint, const std::string& name) {
  if (!is_plain(name) || !fs::is_regular_file(checkpoint / name)) throw Damage(fmt::format("{} is missing", name));
  return read_file(checkpoint / name);
}

// Checksums by file name.
std::map<std::string, std::string> read_mark(const fs::path& checkpoint) {
  try {
    auto checksums = parse_json(read_part(checkpoint, kMark)).get<std::map<std::string, std::string>>();
    if (checksums.empty()) throw Damage(fmt::format("{} lists nothing", kMark));
    return checksums;
  } catch (const nlohmann::json::exception&) {
    throw Damage(fmt::format("{} is damaged", kMark));
  }
}

// The files of a complete checkpoint. Throws Damage where any is missing or not as it was written.
CheckpointFiles read_checked(const fs::path& checkpoint) {
  CheckpointFiles files;
  for (const auto& [name, expected] : read_mark(checkpoint)) {
    std::string bytes = read_part(checkpoint, name);
    if (checksum(bytes) != expected) throw Damage(fmt::format("{} is damaged", name));
    files[name] = std::move(bytes);
  }
  return files;
}

bool is_undamaged(const fs::path& checkpoint) {
  try {
    return !read_checked(checkpoint).empty();
  } catch (const Damage&) {
    return false;
  }
}

void remove_quietly(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

// The files of a checkpoint: those that its mark lists, and those of the one that is being written, where the mark is
// not there or damaged.
std::set<std::string> own_parts(const fs::path& checkpoint, const CheckpointContent& written) {
  std::set<std::string> names;
  for (const auto& part : written) names.insert(part.first);
  try {
    for (const auto& part : read_mark(checkpoint))
      if (is_plain(part.first)) names.insert(part.first);
  } catch (const Damage&) {
  }
  return names;
}

// Leaves what else lies in the folder, which is the user's, and then the folder as well. The mark goes first: what is
// left by a crash in between counts as never finished. Asks before each file: whoever is halted in the middle and loses
// the folder meanwhile removes no more than the one that they were at.
void remove_checkpoint(const fs::path& checkpoint, const CheckpointContent& written, const PublishCheck& check) {
  const auto remove = [&](const fs::path& path) {
    std::error_code ignored;
    if (!fs::exists(path, ignored)) return;
    if (check) check();
    fs::remove(path, ignored);
  };
  const std::set<std::string> names = own_parts(checkpoint, written);
  remove(checkpoint / kMark);
  remove(partial_path(checkpoint / kMark));
  for (const std::string& name : names) {
    remove(checkpoint / name);
    remove(partial_path(checkpoint / name));
  }
  remove(checkpoint);
}

// Takes a number's digits off the front of `text`.
template <typename Number>
bool take_number(std::string_view& text, Number& number) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return failure == std::errc();
}

bool take_word(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

}  // namespace

std::string checkpoint_name(const CheckpointPosition& position) {
  return fmt::format("{}{:05}{}{:08}", kEpochWord, position.epoch, kStepWord, position.step);
}

std::optional<CheckpointPosition> parse_checkpoint_name(std::string_view name) {
  std::string_view rest = name;
  CheckpointPosition position;
  const bool numbers = take_word(rest, kEpochWord) && take_number(rest, position.epoch) && take_word(rest, kStepWord) &&
                       take_number(rest, position.step);
  if (!numbers || position.epoch < 0 || position.step < 0 || checkpoint_name(position) != name) return std::nullopt;
  return position;
}

std::vector<CheckpointPosition> CheckpointFolder::newest_first() const {
  std::vector<CheckpointPosition> positions;
  if (!fs::is_directory(folder_)) return positions;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const auto position = parse_checkpoint_name(entry.path().filename().string());
    if (position && entry.is_directory()) positions.push_back(*position);
  }
  std::sort(positions.begin(), positions.end(), std::greater<>());
  return positions;
}

fs::path CheckpointFolder::move_aside(const CheckpointPosition& position, std::string_view reason) const {
  const fs::path from = folder_ / checkpoint_name(position);
  const fs::path plain = folder_ / fmt::format("{}-{}", reason, checkpoint_name(position));
  fs::path to = plain;
  for (int number = 2; fs::exists(to); ++number) to = fmt::format("{}-{}", plain.string(), number);
  std::error_code failure;
  fs::rename(from, to, failure);
  if (failure)
    throw machine_error(fmt::format("{}: cannot be moved aside: {}", from.string(), failure.message()),
                        fmt::format("It is {}: move it out of the way yourself.", reason));
  sync_to_disk(folder_);
  return to;
}

void CheckpointFolder::write(int epoch, int64_t step, const CheckpointContent& content) const {
  const CheckpointPosition position{epoch, step};
  const fs::path checkpoint = folder_ / checkpoint_name(position);
  if (is_complete(checkpoint)) {
    if (is_undamaged(checkpoint)) return;
    if (check_) check_();
    move_aside(position, "damaged");
  }
  if (check_) check_();
  make_folder(folder_);
  remove_checkpoint(checkpoint, content, check_);
  if (fs::exists(checkpoint)) move_aside(position, "superseded");
  const fs::path aside = partial_path(checkpoint);
  remove_quietly(aside);
  make_folder(aside);
  nlohmann::ordered_json checksums = nlohmann::ordered_json::object();
  for (const auto& part : content) {
    const std::string& name = part.first;
    const ByteSource& source = part.second;
    RunningChecksum running;
    // The check also for each part: whoever has taken the folder over clears away what was half-written.
    write_file_atomically(
        aside / name,
        [&](const ByteSink& to) {
          source([&](std::span<const std::byte> bytes) {
            running.add(bytes);
            to(bytes);
          });
        },
        check_);
    checksums[name] = running.digits();
  }
  publish(checkpoint, check_);
  write_file_atomically(checkpoint / kMark, checksums.dump(2) + "\n", check_);

  int kept = 0;
  for (const CheckpointPosition& candidate : newest_first()) {
    const fs::path path = folder_ / checkpoint_name(candidate);
    const bool is_later = is_complete(path) && candidate > position;
    if (check_) check_();  // what is later may be of the one who has taken the folder over meanwhile
    if (is_later) {
      move_aside(candidate, "superseded");
    } else if (!is_complete(path) || ++kept > keep_) {
      remove_checkpoint(path, content, check_);
    }
  }
}

std::optional<StoredCheckpoint> CheckpointFolder::read_newest(std::vector<std::string>& passed_over) const {
  for (const CheckpointPosition& position : newest_first()) {
    const fs::path checkpoint = folder_ / checkpoint_name(position);
    if (!is_complete(checkpoint)) {
      passed_over.push_back(fmt::format("{} was never finished", checkpoint.string()));
      continue;
    }
    try {
      return StoredCheckpoint{checkpoint.string(), read_checked(checkpoint)};
    } catch (const Damage& damage) {
      const fs::path aside = move_aside(position, "damaged");
      passed_over.push_back(fmt::format("{} cannot be used: {}; it is kept as {}", checkpoint.string(), damage.what(),
                                        aside.filename().string()));
    }
  }
  return std::nullopt;
}

}  // namespace fer_ddp
