// A client of a run's status service. Every call has a deadline; a service that does not answer is an Error (the
// machine's fault), a refused token or certificate one too (the user's). One thread, but while it watches others may
// ask for the history, for a stop, and for the watching's end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "status/service_security.h"
#include "status/snapshot.h"
#include "status/unreachable.h"

namespace fer_ddp {

class StatusClient {
 public:
  // HOST:PORT; throws Error (the user's fault) if it is not, or if a token would go over the network in the clear. Does
  // not connect yet.
  explicit StatusClient(const std::string& address, const ServiceAccess& access = {});
  StatusClient(const StatusClient&) = delete;
  StatusClient& operator=(const StatusClient&) = delete;
  ~StatusClient();

  struct Answer {
    StatusSnapshot snapshot;
    std::string json;  // the message in proto3 JSON, one line
  };

  [[nodiscard]] Answer status();
  [[nodiscard]] std::vector<EpochRecord> history();
  void request_stop();

  // Calls `seen` with each status until the stream ends with the run. What `seen` throws ends the watching.
  void watch(double updates_per_second, const std::function<void(const Answer&)>& seen);

  // Makes watch() return, now or when it is called.
  void end_watch();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace fer_ddp
