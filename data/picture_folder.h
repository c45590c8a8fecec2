// Pictures in a folder for each class, with or without folders for the splits around those: which pictures there are,
// with which labels and splits, and in which order they are rows. Told by the names alone; no picture is opened.
//
// Where all are called Training_<N>, PublicTest_<N> or PrivateTest_<N>, as those that were taken out of fer2013.csv
// are, rows stand as there: all of Training, of PublicTest, of PrivateTest, each by its number. Where some is called
// otherwise, there is no such order. Rows then stand by the checksums of their pictures' paths, so that any part of
// them has pictures of all classes, and the same ones wherever the folder lies.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/split.h"

namespace fer_ddp {

struct ListedPicture {
  std::string path;  // below the listing's root
  uint8_t label = 0;
  std::optional<Split> split{};  // the official one, where names say
};

enum class RowOrder {
  kCsv,       // by numbers without a gap, as rows have them
  kNumbered,  // by numbers with gaps: rows are missing, or they count something else
  kChecksum,  // of paths
};

struct PictureListing {
  std::filesystem::path root;
  std::vector<ListedPicture> pictures{};  // in the order of rows
  RowOrder order = RowOrder::kChecksum;
  bool has_numbered_classes = false;  // folders called 0 to 6
  std::string usage_fault{};          // why the official split cannot be told; empty: it can
};

// What is below a folder. Where it has nothing but one other folder, as unpacked archives do, that one counts.
struct FolderContent {
  std::optional<std::filesystem::path> pictures;   // the folder that has those of splits or classes
  std::vector<std::filesystem::path> csv_files;    // by name
  std::vector<std::filesystem::path> other_files;  // by name
};

// Throws Error (the user's fault) where a folder cannot be read.
[[nodiscard]] FolderContent look_into(const std::filesystem::path& folder);

// `shown` stands for `root` where people are told of it, and ends where a path below it begins. Throws Error (the
// user's fault) naming the folder or file that has no place here: a class that is none of FER2013's, an empty one,
// pictures outside of any.
[[nodiscard]] PictureListing list_pictures(const std::filesystem::path& root, const std::string& shown);

// Files and folders that operating systems and editors leave everywhere: .DS_Store, Thumbs.db, __MACOSX.
[[nodiscard]] bool is_stray(std::string_view name);

// The class that a folder of this name holds, in any of the usual spellings; "0" to "6" are fer2013.csv's numbers.
[[nodiscard]] std::optional<uint8_t> label_of_folder(std::string_view name);

// The split that a folder of this name holds: train, Training, val, PublicTest, ...
[[nodiscard]] std::optional<Split> split_of_folder(std::string_view name);

// "PublicTest_123.jpg" is {kValidation, 123}.
struct OfficialName {
  Split split{};
  uint64_t number = 0;
};
[[nodiscard]] std::optional<OfficialName> official_name(std::string_view file);

}  // namespace fer_ddp
