#include "data/import_ahead.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace fer_ddp {

ImportAhead::ImportAhead(const Importer& importer, std::span<const int32_t> rows, int64_t chunk_rows, int threads)
    : rows_(rows), chunk_rows_(chunk_rows), chunks_((static_cast<int64_t>(rows.size()) + chunk_rows - 1) / chunk_rows) {
  const int64_t useful = std::min<int64_t>(threads, chunks_);
  // One chunk for each thread to work on, one more for each to be waiting, and the one that next() has given away.
  for (int64_t i = 0; i < 2 * useful + 1; ++i) slots_.push_back({.rows = ImageRows(chunk_rows)});
  for (int64_t i = 0; i < useful; ++i) readers_.push_back(importer.reader());
  threads_.reserve(readers_.size());
  try {
    for (const auto& reader : readers_) threads_.emplace_back([this, &reader] { work(*reader); });
  } catch (const std::exception& failure) {  // a limit on processes, most likely: fewer threads do as well
    if (threads_.empty())
      throw machine_error(fmt::format("no thread can be started to import rows: {}", failure.what()),
                          "Raise the limit on processes (ulimit -u, or the container's).");
  }
}

ImportAhead::~ImportAhead() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  may_begin_.notify_all();
}

std::span<const int32_t> ImportAhead::rows_of(int64_t chunk) const {
  const int64_t begin = chunk * chunk_rows_;
  const int64_t count = std::min(chunk_rows_, static_cast<int64_t>(rows_.size()) - begin);
  return rows_.subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
}

// The slot of the chunk that next() gave away last is still being read.
bool ImportAhead::may_begin() const {
  return abandoned_ || begun_ == chunks_ ||
         begun_ - std::max<int64_t>(taken_ - 1, 0) < static_cast<int64_t>(slots_.size());
}

void ImportAhead::work(RowReader& reader) {
  std::unique_lock lock(mutex_);
  for (;;) {
    may_begin_.wait(lock, [this] { return may_begin(); });
    if (abandoned_ || begun_ == chunks_) return;
    const int64_t chunk = begun_++;
    Slot& slot = slot_of(chunk);
    lock.unlock();
    import(reader, chunk, slot);
    lock.lock();
    slot.ready_chunk = chunk;
    is_ready_.notify_one();
  }
}

void ImportAhead::import(RowReader& reader, int64_t chunk, Slot& slot) {
  try {
    const std::span<const int32_t> rows = rows_of(chunk);
    const ImageRowsView into = slot.rows.first(static_cast<int64_t>(rows.size()));
    std::copy(rows.begin(), rows.end(), into.source_rows.begin());
    reader.read(rows, into.images, into.labels);
  } catch (...) {
    slot.failure = std::current_exception();
  }
}

ImageRowsView ImportAhead::next() {
  if (taken_ == chunks_) return {};
  std::unique_lock lock(mutex_);
  Slot& slot = slot_of(taken_);
  is_ready_.wait(lock, [&] { return slot.ready_chunk == taken_; });
  ++taken_;
  may_begin_.notify_all();
  if (slot.failure) std::rethrow_exception(slot.failure);
  return slot.rows.first(static_cast<int64_t>(rows_of(slot.ready_chunk).size()));
}

}  // namespace fer_ddp
