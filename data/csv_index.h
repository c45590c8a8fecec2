// Where the rows of a CSV file begin. The ranks and their threads read disjoint parts of the file, once, and put their
// findings together; the same pass takes the file's checksum and each row's Usage. Blank lines are no rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "data/csv_row.h"
#include "data/source_file.h"

namespace fer_ddp {

// Rows are 4,609 to 9,300 bytes long. What is much longer is not a row, and must not fill the memory.
inline constexpr int64_t kLongestCsvRow = int64_t{64} << 10;

struct CsvIndex {
  std::vector<int64_t> begins;  // of each row, and the file's size at the end: row i is [begins[i], begins[i + 1])
  std::vector<Split> usage;     // of each row; empty where there is no Usage column
  bool has_unknown_usage = false;
  std::string checksum;  // of the file: see block_checksum.h

  [[nodiscard]] int64_t rows() const { return static_cast<int64_t>(begins.size()) - 1; }
};

// Collective; each rank works on `threads` threads. The first line, the header, is no row.
[[nodiscard]] CsvIndex index_csv(const SourceFile& file, const CsvColumns& columns, int threads,
                                 Communicator& communicator);

}  // namespace fer_ddp
