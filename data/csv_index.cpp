#include "data/csv_index.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "comm/agreement.h"
#include "core/threads.h"
#include "data/block_checksum.h"
#include "data/sampler.h"

namespace fer_ddp {

namespace {

constexpr uint8_t kUnknownUsage = 255;

// One thread's part of the index: the rows whose preceding line ends within a range of the file. The line that a range
// begins in belongs to the part before, or is the header.
class IndexPart {
 public:
  IndexPart(const SourceFile& file, const CsvColumns& columns) : file_(file), columns_(columns) {}

  void scan(PositionRange bytes) {
    std::vector<char> piece(static_cast<size_t>(std::min(kReadAtOnce, bytes.size())));
    for (int64_t begin = bytes.begin; begin < bytes.end; begin += kReadAtOnce) {
      const std::span<char> part =
          std::span(piece).first(static_cast<size_t>(std::min(kReadAtOnce, bytes.end - begin)));
      file_.read(begin, part);
      checksums_.add(part);
      take({part.data(), part.size()}, begin);
    }
    finish_last_line(bytes.end);
    checksums_.end();
  }

  // The part as text, to be gathered from all ranks.
  [[nodiscard]] std::string begins() const {
    return {reinterpret_cast<const char*>(begins_.data()), begins_.size() * sizeof(int64_t)};
  }
  [[nodiscard]] const std::string& usage() const { return usage_; }
  [[nodiscard]] const std::string& checksum_digits() const { return checksums_.digits(); }

 private:
  void take(std::string_view text, int64_t offset) {
    size_t begin = 0;
    for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', begin)) {
      end_line(text.substr(begin, end - begin));
      begin = end + 1;
      line_begin_ = offset + static_cast<int64_t>(begin);
    }
    if (line_begin_ >= 0) keep(text.substr(begin));
  }

  // The last line may go on in the next part's range.
  void finish_last_line(int64_t offset) {
    std::array<char, 4096> piece;
    while (line_begin_ >= 0 && offset < file_.size() && static_cast<int64_t>(line_head_.size()) < kLongestCsvRow) {
      const std::span<char> part =
          std::span(piece).first(std::min<size_t>(piece.size(), static_cast<size_t>(file_.size() - offset)));
      file_.read(offset, part);
      const std::string_view text(part.data(), part.size());
      const size_t end = text.find('\n');
      keep(text.substr(0, end));
      if (end != std::string_view::npos) break;
      offset += static_cast<int64_t>(text.size());
    }
    end_line({});
  }

  void keep(std::string_view text) {
    const auto room = static_cast<size_t>(kLongestCsvRow) - line_head_.size();
    line_head_.append(text.substr(0, room));
  }

  void end_line(std::string_view tail) {
    if (line_begin_ < 0) return;
    if (line_head_.empty()) {
      add_row(tail);
    } else {
      keep(tail);
      add_row(line_head_);
      line_head_.clear();
    }
  }

  void add_row(std::string_view row) {
    row = without_line_end(row);
    if (row.empty()) return;
    begins_.push_back(line_begin_);
    if (columns_.usage < 0) return;
    CsvFields fields;
    Split split{};
    const bool known = split_csv_row(row, columns_, fields) && parse_usage(fields.usage, split);
    usage_.push_back(static_cast<char>(known ? static_cast<uint8_t>(split) : kUnknownUsage));
  }

  const SourceFile& file_;
  const CsvColumns& columns_;
  int64_t line_begin_ = -1;  // of the line under way; -1 before the first line end
  std::string line_head_;    // what earlier blocks held of it
  std::vector<int64_t> begins_;
  std::string usage_;
  BlockChecksums checksums_;
};

// A rank's share of the file's blocks, cut up for its threads: whole blocks, so that the checksum does not depend on
// how many ranks and threads there are.
PositionRange block_share(int64_t size, const Communicator& communicator) {
  return rank_share({0, (size + kChecksumBlock - 1) / kChecksumBlock}, communicator.rank(), communicator.size());
}

PositionRange bytes_of(PositionRange blocks, int64_t size) {
  return {std::min(blocks.begin * kChecksumBlock, size), std::min(blocks.end * kChecksumBlock, size)};
}

// What the parts of all ranks found, in the file's order.
template <typename Text>
std::string gathered(Communicator& communicator, const std::vector<IndexPart>& mine, const Text& text) {
  std::string own;
  for (const IndexPart& part : mine) own += text(part);
  std::string all;
  for (const std::string& of_rank : communicator.all_gather(own)) all += of_rank;
  return all;
}

}  // namespace

CsvIndex index_csv(const SourceFile& file, const CsvColumns& columns, int threads, Communicator& communicator) {
  const PositionRange blocks = block_share(file.size(), communicator);
  const int used = static_cast<int>(std::clamp<int64_t>(blocks.size(), 1, threads));
  std::vector<IndexPart> parts;
  parts.reserve(static_cast<size_t>(used));
  for (int i = 0; i < used; ++i) parts.emplace_back(file, columns);
  run_together(communicator, [&] {
    run_in_threads(used, [&](int thread) {
      parts[static_cast<size_t>(thread)].scan(bytes_of(rank_share(blocks, thread, used), file.size()));
    });
  });

  CsvIndex index;
  const std::string begins = gathered(communicator, parts, [](const IndexPart& part) { return part.begins(); });
  index.begins.resize(begins.size() / sizeof(int64_t) + 1);
  std::memcpy(index.begins.data(), begins.data(), begins.size());
  index.begins.back() = file.size();
  for (const char code : gathered(communicator, parts, [](const IndexPart& part) { return part.usage(); })) {
    index.has_unknown_usage |= static_cast<uint8_t>(code) == kUnknownUsage;
    index.usage.push_back(static_cast<Split>(code));
  }
  index.checksum =
      combined_checksum(gathered(communicator, parts, [](const IndexPart& part) { return part.checksum_digits(); }));
  return index;
}

}  // namespace fer_ddp
