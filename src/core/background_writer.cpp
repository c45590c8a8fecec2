#include "core/background_writer.h"

#include <cstddef>
#include <utility>

namespace fer_ddp {

namespace {

constexpr size_t kMostWaiting = 2;  // of a disk that does not keep up

}  // namespace

void BackgroundWriter::add(Work work) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_.size() < kMostWaiting; });
  if (failure_) return;
  if (!thread_.joinable()) thread_ = std::jthread([this](const std::stop_token& stop) { go_on(stop); });
  waiting_.push_back(std::move(work));
  changed_.notify_all();
}

void BackgroundWriter::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_.empty() && !busy_; });
  if (failure_) std::rethrow_exception(failure_);
}

// Told to stop, it still does what waits.
void BackgroundWriter::go_on(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
    Work work = std::move(waiting_.front());
    waiting_.pop_front();
    busy_ = true;
    changed_.notify_all();
    lock.unlock();
    std::exception_ptr failure;
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    work = nullptr;  // frees its memory before anybody is told
    lock.lock();
    busy_ = false;
    if (failure) {
      failure_ = std::move(failure);
      failed_.store(true);
      waiting_.clear();
    }
    changed_.notify_all();
  }
}

}  // namespace fer_ddp
