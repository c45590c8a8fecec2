// The watchers of a run: every open WatchStatus stream, and the one thread that serves them all. Each has at most one
// message on its way, and gets the latest status when that one is through; what came between is left out. So a client
// that hangs costs one message of memory, and a thousand clients cost the trainer no more than one: the board is looked
// at once for all of them. Every function is thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "fer_ddp/v1/status.pb.h"
#include "status/board.h"

namespace fer_ddp {

class Watchers {
 public:
  // The board outlives this.
  explicit Watchers(const StatusBoard& board);
  Watchers(const Watchers&) = delete;
  Watchers& operator=(const Watchers&) = delete;
  // To be called when no stream is open any more: after the server's Shutdown.
  ~Watchers();

  // A new stream, which gets a status at once. `updates_per_second` may be anything a client sends; 0 is the usual
  // rate.
  [[nodiscard]] grpc::ServerWriteReactor<v1::Status>* add(double updates_per_second);

  // Sends the last status on each stream and ends it. Returns when all have ended, or `patience` is over.
  void finish_all(std::chrono::milliseconds patience);

 private:
  class Watcher;
  using List = std::vector<std::shared_ptr<Watcher>>;

  void serve();
  void serve_once(const List& watchers, bool finishing);
  void wake();
  void remove(const Watcher* watcher);

  const StatusBoard& board_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::condition_variable emptied_;
  List watchers_;
  bool work_waits_ = false;  // a stream is new, cancelled or gone, or its write went through
  bool finishing_ = false;
  bool closed_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace fer_ddp
