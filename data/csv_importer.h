// FER2013 as CSV: fer2013.csv, icml_face_data.csv and train.csv, the columns told by the header.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "data/csv_index.h"
#include "data/csv_row.h"
#include "data/importer.h"
#include "data/source_file.h"

namespace fer_ddp {

class CsvImporter final : public Importer {
 public:
  CsvImporter(std::unique_ptr<SourceFile> file, CsvColumns columns, CsvIndex index, const std::filesystem::path& input);

  [[nodiscard]] const Source& source() const override { return source_; }
  [[nodiscard]] const std::vector<Split>& usage() const override { return index_.usage; }
  [[nodiscard]] Error missing_usage(const std::filesystem::path& input) const override;
  [[nodiscard]] std::unique_ptr<RowReader> reader() const override;

  // Where the input that the user knows is another file than the CSV.
  void set_source_file(int64_t bytes, const std::string& checksum);

 private:
  class Reader;

  [[nodiscard]] int64_t row_length(int64_t row) const;  // in bytes, with its line end and blank lines after it
  [[nodiscard]] Error row_error(int64_t row, const std::string& reason) const;

  std::unique_ptr<SourceFile> file_;
  CsvColumns columns_;
  CsvIndex index_;
  std::string input_;
  Source source_;
};

// Collective; each rank works on `threads` threads. Reads `csv`, and calls it `input` where it speaks to people: they
// differ where the input had to be unpacked.
[[nodiscard]] std::unique_ptr<CsvImporter> open_csv(const std::filesystem::path& csv,
                                                    const std::filesystem::path& input, int threads,
                                                    Communicator& communicator);

}  // namespace fer_ddp
