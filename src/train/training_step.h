// One training step behind one interface: forward, backward, gradients summed over all ranks, one update of the
// weights. How it is computed is the implementation's choice; what it computes is not.
#pragma once

#include <cstdint>
#include <span>

namespace fer_ddp {

// This rank's share of a global batch.
struct BatchShare {
  std::span<const uint8_t> images;  // the whole split, [n, 48, 48]
  std::span<const uint8_t> labels;  // the whole split
  std::span<const int32_t> rows;    // rows of the split that make the share, in order; may be empty
  int64_t global_images = 0;        // images of the global batch, over all ranks
  int64_t first_position = 0;       // of rows[0] in the epoch's order
  int epoch = 0;
};

// Sums, never averages: they add up over steps and ranks.
struct BatchSums {
  double loss = 0;  // sum over images
  int64_t correct = 0;
};

class TrainingStep {
 public:
  TrainingStep() = default;
  TrainingStep(const TrainingStep&) = delete;
  TrainingStep& operator=(const TrainingStep&) = delete;
  virtual ~TrainingStep() = default;

  // Collective. Returns the sums of this rank's share, as seen before the update.
  virtual BatchSums run(const BatchShare& share, double learning_rate) = 0;
};

}  // namespace fer_ddp
