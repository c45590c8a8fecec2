#include "data/importer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <system_error>

#include "comm/agreement.h"
#include "core/error.h"
#include "data/archive.h"
#include "data/csv_importer.h"
#include "data/gzip.h"
#include "data/input_form.h"
#include "data/picture_folder.h"
#include "data/picture_importer.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

// Rank 0's, as every rank's importer names it.
Source broadcast_source(Communicator& communicator, Source source) {
  std::array<int64_t, 1> bytes = {source.bytes};
  communicator.broadcast(std::as_writable_bytes(std::span(bytes)), 0);
  source.bytes = bytes[0];
  source.checksum = broadcast_text(communicator, source.checksum);
  return source;
}

std::unique_ptr<Importer> open_unpacked_csv(const fs::path& csv, const fs::path& input, const Source& packed,
                                            int threads, Communicator& communicator) {
  std::unique_ptr<CsvImporter> importer = open_csv(csv, input, threads, communicator);
  importer->set_source_file(packed.bytes, packed.checksum);
  return importer;
}

// Unpacking is serial by nature: rank 0 does it once, to files that all ranks then share the reading of.
std::unique_ptr<Importer> open_gzip(const fs::path& input, const fs::path& scratch, int threads,
                                    Communicator& communicator) {
  const fs::path csv = scratch / "inflated.csv";
  Source packed{input.filename().string(), 0, {}, 0};
  run_on_rank_0(communicator, [&] {
    const SourceFile file(input);
    packed.bytes = file.size();
    packed.checksum = inflate_to_file(file, csv);
  });
  return open_unpacked_csv(csv, input, broadcast_source(communicator, packed), threads, communicator);
}

// The CSV file to take of those in an archive: Kaggle's holds several, of the same pictures.
fs::path chosen_csv(const std::vector<fs::path>& files, const fs::path& input) {
  if (files.size() == 1) return files.front();
  for (const std::string_view name : {"fer2013.csv", "icml_face_data.csv", "train.csv"}) {
    const auto found =
        std::find_if(files.begin(), files.end(), [&](const fs::path& file) { return file.filename() == name; });
    if (found != files.end()) return *found;
  }
  throw user_error(fmt::format("{}: holds several CSV files, such as {} and {}", input.string(),
                               files[0].filename().string(), files[1].filename().string()),
                   "Unpack it and give the one that is meant.");
}

// What is in an archive, unpacked: a CSV file, or a folder of pictures.
struct Unpacked {
  std::string csv{};
  std::string pictures{};
};

Unpacked unpack(const fs::path& input, const fs::path& into) {
  unpack_archive(input, into);
  const FolderContent content = look_into(into);
  if (content.pictures) return {.pictures = content.pictures->string()};
  if (!content.csv_files.empty()) return {.csv = chosen_csv(content.csv_files, input).string()};
  const std::string instead =
      content.other_files.empty() ? "" : ", but " + content.other_files.front().filename().string();
  throw user_error(fmt::format("{}: holds neither a CSV file nor folders of pictures{}", input.string(), instead),
                   "If the data is deeper in it, unpack it and give the file or the folder that is meant.");
}

std::unique_ptr<Importer> open_archive(const fs::path& input, const fs::path& scratch, int threads,
                                       Communicator& communicator) {
  const fs::path into = scratch / "unpacked";
  Source packed{input.filename().string(), 0, {}, 0};
  Unpacked unpacked;
  run_on_rank_0(communicator, [&] {
    const SourceFile file(input);
    packed.bytes = file.size();
    packed.checksum = file.checksum();
    unpacked = unpack(input, into);
  });
  packed = broadcast_source(communicator, packed);
  unpacked.csv = broadcast_text(communicator, unpacked.csv);
  if (!unpacked.csv.empty()) return open_unpacked_csv(unpacked.csv, input, packed, threads, communicator);
  const fs::path pictures = broadcast_text(communicator, unpacked.pictures);
  const std::string below = pictures.lexically_relative(into).string();
  const std::string shown = fmt::format("{}, {}", input.string(), below == "." ? "" : below + "/");
  return open_pictures(pictures, shown, packed, threads, communicator);
}

std::unique_ptr<Importer> open_folder(const fs::path& input, int threads, Communicator& communicator) {
  std::string root;
  run_on_rank_0(communicator, [&] {
    const FolderContent content = look_into(input);
    if (!content.pictures) refuse_folder(input, content.csv_files);
    root = content.pictures->string();
  });
  root = broadcast_text(communicator, root);
  const fs::path whole = fs::weakly_canonical(fs::absolute(input));  // a folder's name, whatever way leads there
  const fs::path name = (whole.has_filename() ? whole : whole.parent_path()).filename();
  const Source source{name.string(), 0, {}, 0};
  return open_pictures(root, root.ends_with('/') ? root : root + "/", source, threads, communicator);
}

// Looks into a gzip file as well: it may be a packed CSV file, or an archive.
InputForm form_of(const fs::path& input) {
  if (std::error_code ignored; fs::is_directory(input, ignored)) return InputForm::kFolder;
  const SourceFile file(input);
  const InputForm form = recognize_form(file.head(kFormHead), input);
  if (form != InputForm::kGzip) return form;
  switch (recognize_form(inflated_head(file, kFormHead), input)) {
    case InputForm::kArchive:
      return InputForm::kArchive;
    case InputForm::kGzip:
      throw user_error(input.string() + ": is gzipped twice", "Unpack it once.");
    case InputForm::kCsv:
    case InputForm::kFolder:
      break;
  }
  return InputForm::kGzip;
}

}  // namespace

std::unique_ptr<Importer> open_importer(const fs::path& input, const fs::path& scratch, int threads,
                                        Communicator& communicator) {
  std::array<int64_t, 1> form{};
  run_on_rank_0(communicator, [&] { form[0] = static_cast<int64_t>(form_of(input)); });
  communicator.broadcast(std::as_writable_bytes(std::span(form)), 0);
  switch (static_cast<InputForm>(form[0])) {
    case InputForm::kGzip:
      return open_gzip(input, scratch, threads, communicator);
    case InputForm::kArchive:
      return open_archive(input, scratch, threads, communicator);
    case InputForm::kFolder:
      return open_folder(input, threads, communicator);
    case InputForm::kCsv:
      break;
  }
  return open_csv(input, input, threads, communicator);
}

bool is_source(const Source& source, const fs::path& input) {
  if (fs::is_directory(input)) {
    const Source found = source_of_pictures(input);
    return found.bytes == source.bytes && found.checksum == source.checksum;
  }
  const SourceFile file(input);
  return file.size() == source.bytes && file.checksum() == source.checksum;
}

SplitRows split_rows(const Importer& importer, SplitRule rule, const fs::path& input) {
  if (rule == SplitRule::kSeed) return seed_split(importer.source().rows);
  if (importer.usage().empty()) throw importer.missing_usage(input);
  return official_split(importer.usage());
}

}  // namespace fer_ddp
