#include "status/watchers.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "status/messages.h"

namespace fer_ddp {

namespace {

using Clock = std::chrono::steady_clock;

constexpr double kUsualUpdatesPerSecond = 2.0;
constexpr double kFewestUpdatesPerSecond = 0.01;
constexpr double kMostUpdatesPerSecond = 20.0;
constexpr std::chrono::milliseconds kLookInterval{50};  // one in kMostUpdatesPerSecond
constexpr std::chrono::milliseconds kShareOfAWatcher{
    1};  // a thousand messages a second for all watchers together, at most

Clock::duration interval_of(double asked) {
  const double rate =
      asked > 0 ? std::clamp(asked, kFewestUpdatesPerSecond, kMostUpdatesPerSecond) : kUsualUpdatesPerSecond;
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1.0 / rate));
}

}  // namespace

// One stream. gRPC's threads leave word here of what happened; the serving thread alone starts writes and finishes the
// stream, so that the two never cross.
class Watchers::Watcher final : public grpc::ServerWriteReactor<v1::Status> {
 public:
  Watcher(Watchers& all, Clock::duration interval) : all_(all), interval_(interval) {}

  void OnWriteDone(bool ok) override {
    if (!ok) broken_.store(true);
    writing_.store(false);
    all_.wake();
  }
  void OnCancel() override {
    broken_.store(true);
    all_.wake();
  }
  void OnDone() override { all_.remove(this); }

  // The rest is the serving thread's.

  [[nodiscard]] bool wants(uint64_t version, Clock::time_point now, bool finishing) const {
    if (finished_ || writing_.load()) return false;
    return finishing || broken_.load() || (version != seen_ && now >= next_);
  }

  // Sends the next status, or ends the stream: once the last status has been sent, nothing follows it, even if the
  // board changes again.
  void serve(const v1::Status& status, uint64_t version, Clock::time_point next, bool finishing) {
    if (broken_.load() || last_sent_) {
      finished_ = true;
      return Finish(broken_.load() ? grpc::Status::CANCELLED : grpc::Status::OK);
    }
    message_ = status;
    seen_ = version;
    next_ = next;
    last_sent_ = finishing;
    writing_.store(true);
    StartWrite(&message_);
  }

  [[nodiscard]] Clock::duration interval() const { return interval_; }

 private:
  Watchers& all_;
  const Clock::duration interval_;
  v1::Status message_;
  uint64_t seen_ = 0;  // below every version of a board
  Clock::time_point next_{};
  bool last_sent_ = false;
  bool finished_ = false;
  std::atomic<bool> writing_{false};
  std::atomic<bool> broken_{false};
};

Watchers::Watchers(const StatusBoard& board) : board_(board), thread_([this] { serve(); }) {}

Watchers::~Watchers() {
  {
    const std::scoped_lock lock(mutex_);
    finishing_ = closed_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

grpc::ServerWriteReactor<v1::Status>* Watchers::add(double updates_per_second) {
  auto watcher = std::make_shared<Watcher>(*this, interval_of(updates_per_second));
  Watcher* reactor = watcher.get();
  const std::scoped_lock lock(mutex_);
  watchers_.push_back(std::move(watcher));
  work_waits_ = true;
  changed_.notify_one();
  return reactor;
}

void Watchers::finish_all(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  finishing_ = work_waits_ = true;
  changed_.notify_one();
  emptied_.wait_for(lock, patience, [this] { return watchers_.empty(); });
}

void Watchers::wake() {
  const std::scoped_lock lock(mutex_);
  work_waits_ = true;
  changed_.notify_one();
}

void Watchers::remove(const Watcher* watcher) {
  std::shared_ptr<Watcher> removed;  // let go of after the lock
  const std::scoped_lock lock(mutex_);
  const auto found =
      std::find_if(watchers_.begin(), watchers_.end(), [&](const auto& one) { return one.get() == watcher; });
  removed = std::move(*found);
  watchers_.erase(found);
  work_waits_ = true;
  changed_.notify_one();
  if (watchers_.empty()) emptied_.notify_all();
}

// Sleeps while nobody watches, else until something happens to a stream or it is time to look at the board.
void Watchers::serve() {
  std::unique_lock lock(mutex_);
  while (!closed_ || !watchers_.empty()) {
    if (watchers_.empty()) {
      changed_.wait(lock, [this] { return closed_ || !watchers_.empty(); });
    } else {
      changed_.wait_for(lock, kLookInterval, [this] { return work_waits_; });
    }
    work_waits_ = false;
    const List watchers = watchers_;
    const bool finishing = finishing_;
    lock.unlock();
    serve_once(watchers, finishing);
    lock.lock();
  }
}

void Watchers::serve_once(const List& watchers, bool finishing) {
  const Clock::time_point now = Clock::now();
  const uint64_t version = board_.version();  // before the snapshot: it may be newer, never older
  std::vector<Watcher*> due;
  for (const auto& watcher : watchers)
    if (watcher->wants(version, now, finishing)) due.push_back(watcher.get());
  if (due.empty()) return;
  v1::Status status;
  fill_message(board_.snapshot(), status);
  const Clock::duration share = kShareOfAWatcher * watchers.size();
  for (Watcher* watcher : due) watcher->serve(status, version, now + std::max(watcher->interval(), share), finishing);
}

}  // namespace fer_ddp
