// The images of a rank's share of a batch as the network takes them in, and what it shall say of them: the one place
// where every engine gets both, so that all of them train on the same. Pure; thread-safe.
#pragma once

#include <cstdint>

#include "network/network.h"
#include "step/training_step.h"

namespace fer_ddp {

class ShareImages {
 public:
  // `share` outlives this.
  ShareImages(const BatchShare& share, PixelScale scale, double label_smoothing);

  [[nodiscard]] int64_t count() const { return static_cast<int64_t>(share_.rows.size()); }

  // The share's image at `index`: 48 x 48 fp32.
  void write(int64_t index, float* pixels) const;

  // Its expression, as accuracy is counted.
  [[nodiscard]] int label(int64_t index) const;

  // The probabilities of all expressions that cross-entropy is taken against: [kExpressionCount], their sum is 1.
  void write_target(int64_t index, float* probabilities) const;

 private:
  const BatchShare& share_;
  PixelScale scale_;
  double label_smoothing_;
};

}  // namespace fer_ddp
