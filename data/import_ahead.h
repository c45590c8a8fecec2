// Rows imported by threads of its own, a few chunks ahead of the one thread that takes them, in order: while HDF5
// writes one chunk the next are read and parsed.
#pragma once

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "data/image_rows.h"
#include "data/importer.h"

namespace fer_ddp {

class ImportAhead {
 public:
  // Imports `rows` (ascending) in chunks of `chunk_rows`, the last one shorter, on up to `threads` threads: as many as
  // the system gives, and as there are chunks. Importer and rows outlive it. Throws Error where it gives none.
  ImportAhead(const Importer& importer, std::span<const int32_t> rows, int64_t chunk_rows, int threads);
  ImportAhead(const ImportAhead&) = delete;
  ImportAhead& operator=(const ImportAhead&) = delete;
  // Waits for the chunks under way; those not begun are left.
  ~ImportAhead();

  // The next chunk, good until the next call; empty after the last one. Throws what importing it has thrown.
  [[nodiscard]] ImageRowsView next();

 private:
  struct Slot {
    ImageRows rows;
    int64_t ready_chunk = -1;  // the chunk that it holds
    std::exception_ptr failure{};
  };

  void work(RowReader& reader);
  [[nodiscard]] bool may_begin() const;  // the next chunk to import
  [[nodiscard]] Slot& slot_of(int64_t chunk) { return slots_[static_cast<size_t>(chunk) % slots_.size()]; }
  void import(RowReader& reader, int64_t chunk, Slot& slot);
  [[nodiscard]] std::span<const int32_t> rows_of(int64_t chunk) const;

  std::span<const int32_t> rows_;
  int64_t chunk_rows_;
  int64_t chunks_;
  std::vector<Slot> slots_;
  std::vector<std::unique_ptr<RowReader>> readers_;  // one a thread

  std::mutex mutex_;
  std::condition_variable may_begin_;
  std::condition_variable is_ready_;
  int64_t begun_ = 0;  // chunks that a thread has taken up
  int64_t taken_ = 0;  // chunks that next() has given away
  bool abandoned_ = false;

  std::vector<std::jthread> threads_;  // last, so that they end before what they use
};

}  // namespace fer_ddp
