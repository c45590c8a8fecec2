#include "data/picture_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <system_error>
#include <tuple>
#include <utility>

#include "core/checksum.h"
#include "core/error.h"
#include "core/expressions.h"
#include "core/text.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kClassAdvice =
    "Folders of classes are called angry, disgust, fear, happy, sad, surprise and neutral, or 0 to 6 in this order, in "
    "one folder or in train, validation and test. Move away what is none of them.";

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& letter : result) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return result;
}

struct Entries {
  std::vector<std::string> folders;
  std::vector<std::string> files;
  std::vector<std::string> others;  // pipes, devices, links that lead nowhere
};

// By name, without strays.
Entries entries_of(const fs::path& folder, const std::string& shown) {
  Entries entries;
  std::error_code failure;
  for (fs::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
    const std::string name = at->path().filename().string();
    if (is_stray(name)) continue;
    std::error_code ignored;
    if (at->is_directory(ignored))
      entries.folders.push_back(name);
    else
      (at->is_regular_file(ignored) ? entries.files : entries.others).push_back(name);
  }
  if (failure) throw user_error(fmt::format("{}: the folder cannot be read: {}", shown, failure.message()));
  std::sort(entries.folders.begin(), entries.folders.end());
  std::sort(entries.files.begin(), entries.files.end());
  std::sort(entries.others.begin(), entries.others.end());
  return entries;
}

bool has_extension(std::string_view name, std::initializer_list<std::string_view> extensions) {
  const std::string spelled = lower(name);
  return std::any_of(extensions.begin(), extensions.end(),
                     [&](std::string_view extension) { return spelled.ends_with(extension); });
}

bool is_number(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Goes through the two levels of folders.
class Lister {
 public:
  Lister(const fs::path& root, const std::string& shown) : shown_(shown) { listing_.root = root; }

  PictureListing list() {
    const Entries entries = entries_of(listing_.root, shown_);
    refuse_others(entries, "");
    refuse_unclassed(entries, "");
    const bool has_splits = std::any_of(entries.folders.begin(), entries.folders.end(),
                                        [](const std::string& name) { return split_of_folder(name).has_value(); });
    if (has_splits) {
      for (const std::string& name : entries.folders) add_split(name);
    } else {
      add_classes(entries, "", std::nullopt);
    }
    if (listing_.pictures.empty()) throw refusal("", "holds no pictures");
    put_in_order();
    note_missing_splits();
    return std::move(listing_);
  }

 private:
  [[nodiscard]] Error refusal(const std::string& path, const std::string& reason) const {
    return user_error(fmt::format("{}{}: {}", shown_, path, reason), std::string(kClassAdvice));
  }

  void refuse_others(const Entries& entries, const std::string& prefix) const {
    if (!entries.others.empty())
      throw refusal(prefix + entries.others.front(), "is not a regular file (a link that leads nowhere?)");
  }

  void refuse_unclassed(const Entries& entries, const std::string& prefix) const {
    for (const std::string& name : entries.files) {
      if (has_extension(name, {".jpg", ".jpeg", ".png"}))
        throw refusal(prefix + name, "is a picture outside of the folders of classes, so it has no label");
    }
  }

  void add_split(const std::string& name) {
    const std::optional<Split> split = split_of_folder(name);
    if (!split) throw refusal(name, "is no folder of a split, but stands beside such");
    const Entries entries = entries_of(listing_.root / name, shown_ + name);
    refuse_others(entries, name + "/");
    refuse_unclassed(entries, name + "/");
    if (entries.folders.empty()) throw refusal(name, "holds no folders of classes");
    add_classes(entries, name + "/", split);
  }

  void add_classes(const Entries& entries, const std::string& prefix, std::optional<Split> split) {
    const auto numbers = std::count_if(entries.folders.begin(), entries.folders.end(), is_number);
    if (numbers > 0) {
      listing_.has_numbered_classes = true;
      if (entries.folders.front() != "0" || numbers != std::ssize(entries.folders))
        throw refusal(prefix + *std::find_if(entries.folders.begin(), entries.folders.end(), is_number),
                      "is a number that need not be fer2013.csv's: there is no 0, or there are names beside it");
    }
    for (const std::string& name : entries.folders) {
      const std::optional<uint8_t> label = label_of_folder(name);
      if (!label) throw refusal(prefix + name, "is no folder of one of the seven classes");
      add_class(prefix + name, *label, split);
    }
  }

  void add_class(const std::string& path, uint8_t label, std::optional<Split> split) {
    const Entries entries = entries_of(listing_.root / path, shown_ + path);
    if (!entries.folders.empty())
      throw refusal(path + "/" + entries.folders.front(), "is a folder, where pictures of a class are expected");
    refuse_others(entries, path + "/");
    if (entries.files.empty()) throw refusal(path, "is empty, expected pictures of the class");
    for (const std::string& name : entries.files) {
      ListedPicture picture{fmt::format("{}/{}", path, name), label, split};
      if (const std::optional<OfficialName> official = official_name(name)) note_official(*official, picture);
      listing_.pictures.push_back(std::move(picture));
    }
  }

  // Names know more than folders, since `test` often holds PublicTest and PrivateTest.
  void note_official(const OfficialName& official, ListedPicture& picture) {
    const bool agrees = !picture.split || *picture.split == official.split ||
                        (*picture.split == Split::kTest && official.split == Split::kValidation);
    if (!agrees && listing_.usage_fault.empty())
      listing_.usage_fault = fmt::format("{}{}: its name says another split than its folder", shown_, picture.path);
    picture.split = official.split;
  }

  // Where a picture's row is among the others: in blocks, by number, and, for those of one number, by path.
  using Key = std::tuple<int, uint64_t, std::string_view>;

  // Empty where some picture has no number.
  [[nodiscard]] std::vector<Key> numbers() const {
    std::vector<Key> keys;
    for (const ListedPicture& picture : listing_.pictures) {
      const std::optional<OfficialName> name = official_name(fs::path(picture.path).filename().string());
      if (!name) return {};
      keys.emplace_back(static_cast<int>(name->split), name->number, picture.path);
    }
    return keys;
  }

  [[nodiscard]] std::vector<Key> checksums() const {
    std::vector<Key> keys;
    for (const ListedPicture& picture : listing_.pictures)
      keys.emplace_back(0, short_hash(std::as_bytes(std::span(picture.path))), picture.path);
    return keys;
  }

  static bool has_gaps(const std::vector<Key>& sorted) {
    for (size_t i = 1; i < sorted.size(); ++i) {
      const auto& [block, number, path] = sorted[i];
      const auto& [block_before, number_before, path_before] = sorted[i - 1];
      if (block == block_before && number != number_before + 1) return true;
    }
    return false;
  }

  void put_in_order() {
    std::vector<Key> keys = numbers();
    const bool is_numbered = !keys.empty();
    if (!is_numbered) keys = checksums();
    std::vector<size_t> order(keys.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return keys[a] < keys[b]; });
    std::sort(keys.begin(), keys.end());
    if (is_numbered) listing_.order = has_gaps(keys) ? RowOrder::kNumbered : RowOrder::kCsv;
    std::vector<ListedPicture> ordered;  // copies: the keys look at the paths
    ordered.reserve(order.size());
    for (const size_t i : order) ordered.push_back(listing_.pictures[i]);
    listing_.pictures = std::move(ordered);
  }

  void note_missing_splits() {
    if (!listing_.usage_fault.empty()) return;
    for (const ListedPicture& picture : listing_.pictures) {
      if (picture.split) continue;
      listing_.usage_fault =
          fmt::format("{}{}: neither its name nor a folder says which split it is in", shown_, picture.path);
      return;
    }
  }

  const std::string& shown_;
  PictureListing listing_;
};

bool holds_classes_or_splits(const Entries& entries) {
  return std::any_of(entries.folders.begin(), entries.folders.end(), [](const std::string& name) {
    return split_of_folder(name).has_value() || label_of_folder(name).has_value();
  });
}

}  // namespace

bool is_stray(std::string_view name) {
  const std::string spelled = lower(name);
  return spelled.starts_with('.') || spelled == "thumbs.db" || spelled == "desktop.ini" || spelled == "__macosx" ||
         spelled == "@eadir";
}

std::optional<uint8_t> label_of_folder(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, uint8_t>, 22> kSpellings = {{
      {"0", 0},         {"1", 1},         {"2", 2},          {"3", 3},         {"4", 4},       {"5", 5},
      {"6", 6},         {"angry", 0},     {"anger", 0},      {"disgust", 1},   {"fear", 2},    {"fearful", 2},
      {"happy", 3},     {"happiness", 3}, {"joy", 3},        {"sad", 4},       {"sadness", 4}, {"surprise", 5},
      {"surprised", 5}, {"neutral", 6},   {"neutrality", 6}, {"disgusted", 1},
  }};
  const std::string spelled = lower(name);
  const auto* const found = std::find_if(kSpellings.begin(), kSpellings.end(),
                                         [&](const auto& spelling) { return spelling.first == spelled; });
  if (found == kSpellings.end()) return std::nullopt;
  return found->second;
}

std::optional<Split> split_of_folder(std::string_view name) {
  const std::string spelled = lower(name);
  if (spelled == "train" || spelled == "training") return Split::kTrain;
  if (spelled == "val" || spelled == "valid" || spelled == "validation" || spelled == "publictest")
    return Split::kValidation;
  if (spelled == "test" || spelled == "testing" || spelled == "privatetest") return Split::kTest;
  return std::nullopt;
}

std::optional<OfficialName> official_name(std::string_view file) {
  const size_t line = file.find('_');
  if (line == std::string_view::npos) return std::nullopt;
  OfficialName name;
  const std::string_view usage = file.substr(0, line);
  if (usage == "Training")
    name.split = Split::kTrain;
  else if (usage == "PublicTest")
    name.split = Split::kValidation;
  else if (usage == "PrivateTest")
    name.split = Split::kTest;
  else
    return std::nullopt;
  const char* const begin = file.data() + line + 1;
  const char* const end = file.data() + file.size();
  const auto [after, failure] = std::from_chars(begin, end, name.number);
  if (failure != std::errc{} || after == end || *after != '.') return std::nullopt;
  return name;
}

FolderContent look_into(const fs::path& folder) {
  constexpr int kDeepest = 4;
  FolderContent content;
  fs::path at = folder;
  for (int depth = 0; depth <= kDeepest; ++depth) {
    const Entries entries = entries_of(at, at.string());
    content = {};
    if (holds_classes_or_splits(entries)) content.pictures = at;
    for (const std::string& name : entries.files)
      (has_extension(name, {".csv"}) ? content.csv_files : content.other_files).push_back(at / name);
    if (content.pictures || !content.csv_files.empty() || entries.folders.size() != 1) break;
    at /= entries.folders.front();
  }
  return content;
}

PictureListing list_pictures(const fs::path& root, const std::string& shown) { return Lister(root, shown).list(); }

}  // namespace fer_ddp
