#include "data/input_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "core/error.h"
#include "data/file_kind.h"
#include "data/manifest.h"

namespace fer_ddp {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

namespace {

constexpr std::string_view kAccepted =
    "Accepted are fer2013.csv, icml_face_data.csv and train.csv, plain, gzipped or in a tar, zip or 7z archive; and "
    "pictures in a folder or an archive, in folders called angry, disgust, fear, happy, sad, surprise and neutral.";

constexpr std::string_view kUnpack = "Unpack it and give the CSV file or the folder of pictures inside.";
constexpr std::string_view kDownload =
    "The data itself is elsewhere: download the file again, from a browser that is logged in there.";

constexpr std::array kRefusedForms = {
    FileKind{0, "Rar!"sv, "a RAR archive", kUnpack},
    FileKind{0, "BZh"sv, "a bzip2 file", "Unpack it with bunzip2."},
    FileKind{0,
             "\xFD"
             "7zXZ"sv,
             "an xz file", "Unpack it with unxz."},
    FileKind{0, "\x28\xB5\x2F\xFD"sv, "a Zstandard file", "Unpack it with unzstd."},
    FileKind{0, "\x89HDF"sv, "an HDF5 file",
             "Shards are read as a whole folder: give the folder that holds manifest.json to `data`."},
    FileKind{0, "\x89PNG"sv, "a PNG picture", kAccepted},
    FileKind{0, "\xFF\xD8\xFF"sv, "a JPEG picture", kAccepted},
    FileKind{0, "\xFF\xFE"sv, "UTF-16 text", "Save it as UTF-8."},
    FileKind{0, "\xFE\xFF"sv, "UTF-16 text", "Save it as UTF-8."},
    FileKind{0, "version https://git-lfs"sv, "a Git LFS pointer, not the data", "Fetch the data with git lfs pull."},
};

bool is_archive(std::string_view head) {
  constexpr size_t kTarMark = 257;
  return head.starts_with("PK\x03\x04"sv) || head.starts_with("PK\x05\x06"sv) ||  // the latter: an empty one
         head.starts_with("7z\xBC\xAF\x27\x1C"sv) ||
         (head.size() > kTarMark && head.substr(kTarMark).starts_with("ustar"sv));
}

bool is_text(std::string_view head) {
  return std::none_of(head.begin(), head.end(), [](char letter) {
    return static_cast<unsigned char>(letter) < ' ' && letter != '\t' && letter != '\r' && letter != '\n';
  });
}

}  // namespace

InputForm recognize_form(std::string_view head, const fs::path& path) {
  const auto refuse = [&](std::string_view what, std::string_view advice) {
    return user_error(fmt::format("{}: is {}", path.string(), what), std::string(advice));
  };
  if (head.empty()) throw refuse("empty", "Copy or download it again.");
  if (head.starts_with("\x1F\x8B"sv)) return InputForm::kGzip;
  if (is_archive(head)) return InputForm::kArchive;
  if (const FileKind* kind = find_kind(kRefusedForms, head)) throw refuse(kind->is, kind->advice);
  if (looks_like_html(head)) throw refuse("a web page, not the data", kDownload);
  if (!is_text(head)) throw refuse("not a text file, and of no known form", kAccepted);
  return InputForm::kCsv;
}

void refuse_folder(const fs::path& folder, const std::vector<fs::path>& csv_files) {
  if (is_shard_folder(folder)) {
    throw user_error(fmt::format("{}: is a folder of shards already", folder.string()),
                     "Give it to `data` in the configuration, or to fer-ddp verify.");
  }
  throw user_error(
      fmt::format("{}: is a folder without folders of pictures", folder.string()),
      csv_files.empty() ? std::string(kAccepted) : fmt::format("Did you mean {}?", csv_files.front().string()));
}

}  // namespace fer_ddp
