// The learning-rate range test (Smith 2017, "Cyclical learning rates for training neural networks"): a short training
// whose learning rate rises exponentially from step to step, by the configuration's own optimizer, network, images and
// batches, and the loss of each step before its update. What follows from the curve is core/learning_rate_curve's.
#pragma once

#include "comm/communicator.h"
#include "core/config.h"
#include "core/learning_rate_curve.h"
#include "data/dataset.h"
#include "model/model.h"
#include "step/device/device_runtime.h"
#include "step/teachers.h"

namespace fer_ddp {

struct RangeTestOptions {
  int steps = 400;
  double from = 1e-5;
  double to = 1;
  int restarts = 3;  // trainings, from other start weights on other batches, whose losses are averaged
};

// What a training is given from outside.
struct RangeTestSurroundings {
  Communicator& communicator;
  const Dataset& dataset;
  DeviceRuntime* device = nullptr;  // null: the CPU
  Teachers* teachers = nullptr;     // null: it learns from none
};

// Collective; every rank gets the same curve, and on a CPU the same bits at 1, 2, 4 and 8 ranks of a host. The batches
// are those of the run's first epochs, in the recipe of its first; schedule, warm-up and plateau have no part in it. A
// restart has the start weights of the next random_seed and the epochs after its predecessor's. A training ends where
// it diverges (DivergenceWatch), and the curve with the first of them that does.
[[nodiscard]] LearningRateCurve run_range_test(const Config& config, const Network& network,
                                               const RangeTestOptions& options,
                                               const RangeTestSurroundings& surroundings);

}  // namespace fer_ddp
