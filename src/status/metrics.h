// A run's status as Prometheus sees it: names by its conventions (prefix, base units, _total for what only grows),
// epochs counted from 0, a label `run` on each. Pull only: a status is taken from the board when somebody scrapes, so
// the training step neither knows nor waits. Inside this room alone: no public header shows prometheus-cpp.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <vector>

#include "core/config.h"
#include "status/board.h"

namespace fer_ddp {

// What is not known (yet) has no sample.
[[nodiscard]] std::vector<prometheus::MetricFamily> metric_families(const Config& config,
                                                                    const StatusSnapshot& snapshot);

// Called on the HTTP server's threads. The board outlives it.
class RunMetrics final : public prometheus::Collectable {
 public:
  RunMetrics(const Config& config, const StatusBoard& board) : config_(config), board_(board) {}

  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
    return metric_families(config_, board_.snapshot());
  }

 private:
  const Config config_;
  const StatusBoard& board_;
};

}  // namespace fer_ddp
