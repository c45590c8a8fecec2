// What one finished epoch leaves behind: a line of history.csv, a point of each curve, an element of GetHistory. A
// plain value.
#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <span>

namespace fer_ddp {

struct EpochRecord {
  static constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

  int epoch = 0;               // from 0
  double loss = kMissing;      // mean over the epoch's training images, as seen while training (as Keras does)
  double accuracy = kMissing;  // share of training images, in [0, 1]
  double val_loss = kMissing;
  double val_accuracy = kMissing;
  double learning_rate = 0;      // of the epoch's first step
  double seconds = 0;            // the whole epoch, evaluation included
  double images_per_second = 0;  // training images over the time spent training

  // Whether there were validation images: a share of none is no number, while a loss may be NaN by itself.
  [[nodiscard]] bool validated() const { return !std::isnan(val_accuracy); }
};

// The epoch with the lowest validation loss, and with the highest validation accuracy. The earliest wins a tie, NaN
// never wins.
[[nodiscard]] std::optional<int> best_epoch_by_loss(std::span<const EpochRecord> history);
[[nodiscard]] std::optional<int> best_epoch_by_accuracy(std::span<const EpochRecord> history);

}  // namespace fer_ddp
