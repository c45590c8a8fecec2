#include "data/importer.h"

#include <fmt/format.h>

#include <system_error>

#include "comm/agreement.h"
#include "core/error.h"
#include "data/csv_importer.h"
#include "data/gzip.h"
#include "data/input_form.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

// Inflating is serial by nature: rank 0 does it once, to a file that all ranks then share the reading of.
std::unique_ptr<Importer> open_gzip(const fs::path& input, int64_t bytes, const fs::path& scratch, int threads,
                                    Communicator& communicator) {
  const fs::path csv = scratch / "inflated.csv";
  std::string checksum;
  run_on_rank_0(communicator, [&] {
    const SourceFile file(input);
    const std::string head = inflated_head(file, kFormHead);
    if (recognize_form(head, input) == InputForm::kGzip)
      throw user_error(input.string() + ": is gzipped twice", "Unpack it once.");
    checksum = inflate_to_file(file, csv);
  });
  checksum = broadcast_text(communicator, checksum);
  std::unique_ptr<CsvImporter> importer = open_csv(csv, input, threads, communicator);
  importer->set_source_file(bytes, checksum);
  return importer;
}

}  // namespace

std::unique_ptr<Importer> open_importer(const fs::path& input, const fs::path& scratch, int threads,
                                        Communicator& communicator) {
  InputForm form{};
  int64_t bytes = 0;
  run_together(communicator, [&] {
    if (std::error_code ignored; fs::is_directory(input, ignored)) refuse_folder(input);
    const SourceFile file(input);
    form = recognize_form(file.head(kFormHead), input);
    bytes = file.size();
  });
  switch (form) {
    case InputForm::kGzip:
      return open_gzip(input, bytes, scratch, threads, communicator);
    case InputForm::kCsv:
      break;
  }
  return open_csv(input, input, threads, communicator);
}

SplitRows split_rows(const Importer& importer, SplitRule rule, const fs::path& input) {
  if (rule == SplitRule::kSeed) return seed_split(importer.source().rows);
  if (!importer.usage().empty()) return official_split(importer.usage());
  throw user_error(fmt::format("{}: has no Usage column, which the official split goes by", input.string()),
                   "Use --split seed, which goes by the rows' order, or give fer2013.csv or icml_face_data.csv.");
}

}  // namespace fer_ddp
