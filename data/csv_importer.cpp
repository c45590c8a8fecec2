#include "data/csv_importer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "comm/agreement.h"
#include "comm/consistency.h"
#include "core/text.h"

namespace fer_ddp {

namespace {

// About half a megabyte of text, which stays in a core's cache from the reading to the parsing.
constexpr int64_t kRowsAtOnce = 64;

constexpr int64_t kLongestHeader = 4096;

CsvColumns read_header(const SourceFile& file, const std::filesystem::path& input) {
  const std::string head = file.head(kLongestHeader);
  return parse_csv_header(std::string_view(head).substr(0, head.find('\n')), input);
}

// Neighbouring rows as they stand in the file, with as many readable bytes behind them as the fast parser may look at.
class CsvRowText {
 public:
  void load(const SourceFile& file, const CsvIndex& index, PositionRange rows);

  // The i-th of the loaded rows.
  [[nodiscard]] std::string_view operator[](int64_t i) const;

 private:
  std::span<const int64_t> begins_;
  std::vector<char> text_;
};

void CsvRowText::load(const SourceFile& file, const CsvIndex& index, PositionRange rows) {
  begins_ = std::span(index.begins).subspan(static_cast<size_t>(rows.begin), static_cast<size_t>(rows.size() + 1));
  const auto size = static_cast<size_t>(begins_.back() - begins_.front());
  if (text_.size() < size + kPixelTextReach) text_.resize(size + kPixelTextReach);
  file.read(begins_.front(), std::span(text_).first(size));
}

std::string_view CsvRowText::operator[](int64_t i) const {
  const auto at = static_cast<size_t>(i);
  return without_line_end(
      {text_.data() + (begins_[at] - begins_[0]), static_cast<size_t>(begins_[at + 1] - begins_[at])});
}

}  // namespace

class CsvImporter::Reader final : public RowReader {
 public:
  explicit Reader(const CsvImporter& importer) : importer_(importer) {}

  void read(std::span<const int32_t> source_rows, std::span<uint8_t> images, std::span<uint8_t> labels) override;
  void check(PositionRange rows) override;

 private:
  // At most kRowsAtOnce neighbouring rows.
  void read_run(PositionRange rows, uint8_t* images, uint8_t* labels);
  // Four neighbouring rows, the fast way; false where one of them needs the thorough one.
  [[nodiscard]] bool read_plain(int64_t first, uint8_t* images, uint8_t* labels) const;

  const CsvImporter& importer_;
  CsvRowText text_;
};

CsvImporter::CsvImporter(std::unique_ptr<SourceFile> file, CsvColumns columns, CsvIndex index,
                         const std::filesystem::path& input)
    : file_(std::move(file)), columns_(std::move(columns)), index_(std::move(index)), input_(input.string()) {
  source_ = {input.filename().string(), file_->size(), index_.checksum, index_.rows()};
}

void CsvImporter::set_source_file(int64_t bytes, const std::string& checksum) {
  source_.bytes = bytes;
  source_.checksum = checksum;
}

Error CsvImporter::missing_usage(const std::filesystem::path& input) const {
  return user_error(fmt::format("{}: has no Usage column, which the official split goes by", input.string()),
                    "Use --split seed, which goes by the rows' order, or give fer2013.csv or icml_face_data.csv.");
}

std::unique_ptr<RowReader> CsvImporter::reader() const { return std::make_unique<Reader>(*this); }

void CsvImporter::Reader::read(std::span<const int32_t> source_rows, std::span<uint8_t> images,
                               std::span<uint8_t> labels) {
  const auto count = static_cast<int64_t>(source_rows.size());
  for (int64_t begin = 0, end = 0; begin < count; begin = end) {
    const int64_t first = source_rows[static_cast<size_t>(begin)];
    while (end < count && end - begin < kRowsAtOnce && source_rows[static_cast<size_t>(end)] == first + end - begin)
      ++end;
    read_run({first, first + end - begin}, images.data() + begin * kImagePixels, labels.data() + begin);
  }
}

void CsvImporter::Reader::check(PositionRange rows) {
  ImageRows dropped(kRowsAtOnce);
  for (int64_t begin = rows.begin; begin < rows.end; begin += kRowsAtOnce)
    read_run({begin, std::min(begin + kRowsAtOnce, rows.end)}, dropped.images.data(), dropped.labels.data());
}

void CsvImporter::Reader::read_run(PositionRange rows, uint8_t* images, uint8_t* labels) {
  int64_t sane = rows.begin;
  while (sane < rows.end && importer_.row_length(sane) <= kLongestCsvRow) ++sane;
  text_.load(*importer_.file_, importer_.index_, {rows.begin, sane});
  const int64_t count = sane - rows.begin;
  for (int64_t begin = 0; begin < count; begin += kPixelLanes) {
    const int64_t end = std::min<int64_t>(begin + kPixelLanes, count);
    if (end - begin == kPixelLanes && read_plain(begin, images + begin * kImagePixels, labels + begin)) continue;
    for (int64_t i = begin; i < end; ++i) {
      const std::string reason =
          parse_csv_row(text_[i], importer_.columns_, labels[i], Image(images + i * kImagePixels, kImagePixels));
      if (!reason.empty()) throw importer_.row_error(rows.begin + i, reason);
    }
  }
  if (sane < rows.end)
    throw importer_.row_error(
        sane, fmt::format("{} bytes long, expected at most 9,300", grouped(importer_.row_length(sane))));
}

bool CsvImporter::Reader::read_plain(int64_t first, uint8_t* images, uint8_t* labels) const {
  std::array<std::string_view, kPixelLanes> pixels;
  for (int lane = 0; lane < kPixelLanes; ++lane) {
    CsvFields fields;
    if (!split_csv_row(text_[first + lane], importer_.columns_, fields)) return false;
    if (Split ignored{}; importer_.columns_.usage >= 0 && !parse_usage(fields.usage, ignored)) return false;
    const int label = parse_label(fields.emotion);
    if (label < 0) return false;
    labels[lane] = static_cast<uint8_t>(label);
    pixels[static_cast<size_t>(lane)] = fields.pixels;
  }
  return parse_plain_pixels(pixels, ImageLanes(images, kPixelLanes * kImagePixels));
}

int64_t CsvImporter::row_length(int64_t row) const {
  return index_.begins[static_cast<size_t>(row) + 1] - index_.begins[static_cast<size_t>(row)];
}

Error CsvImporter::row_error(int64_t row, const std::string& reason) const {
  return user_error(
      fmt::format("{}, row {}: {}", input_, grouped(row + 1), reason),
      fmt::format("Each row is {}. Was the file cut short? The complete fer2013.csv has 35,887 rows and md5 f8428a1e….",
                  columns_.header));
}

std::unique_ptr<CsvImporter> open_csv(const std::filesystem::path& csv, const std::filesystem::path& input, int threads,
                                      Communicator& communicator) {
  std::unique_ptr<SourceFile> file;
  CsvColumns columns;
  run_together(communicator, [&] {
    file = std::make_unique<SourceFile>(csv);
    columns = read_header(*file, input);
  });
  require_agreement(communicator, {{"size of the input", std::to_string(file->size())}});
  CsvIndex index = index_csv(*file, columns, threads, communicator);
  run_together(communicator, [&] {
    if (index.rows() == 0)
      throw user_error(input.string() + ": has no rows below its header", "Copy or download it again.");
    if (index.rows() > std::numeric_limits<int32_t>::max())
      throw user_error(input.string() + ": has more rows than shards can number");
  });
  const bool has_unknown_usage = index.has_unknown_usage;
  auto importer = std::make_unique<CsvImporter>(std::move(file), std::move(columns), std::move(index), input);
  if (has_unknown_usage) {
    const PositionRange all{0, importer->source().rows};
    run_together(communicator,
                 [&] { importer->reader()->check(rank_share(all, communicator.rank(), communicator.size())); });
  }
  return importer;
}

}  // namespace fer_ddp
