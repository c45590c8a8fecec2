// Steps of the device step by LibTorch's operators and by this project's own kernels on the host, for tests that hold
// one against the other.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <functional>
#include <memory>
#include <vector>

#include "comm/identity_communicator.h"
#include "core/augmentation_options.h"
#include "step/device/device_step.h"
#include "tests/faces.h"
#include "tests/host_kernels.h"
#include "tests/host_runtime.h"

namespace fer_ddp {

// Every kind of stage, and both kinds of dropout.
inline constexpr const char* kTable =
    R"({"layers": [{"convolution": 16, "padding": 1}, {"relu": {}}, {"max_pool": 2}, {"batch_norm": {}},
                   {"convolution": 16, "stride": 2, "padding": 1}, {"batch_norm": {}}, {"relu": {}},
                   {"residual": [{"convolution": 16, "padding": 1}, {"batch_norm": {}}]}, {"relu": {}},
                   {"average_pool": 2}, {"global_average_pool": {}}, {"dropout": 0.25},
                   {"dense": 32}, {"relu": {}}, {"dropout": 0.5}, {"dense": 7}]})";

enum class By { kOperators, kKernels };

struct Trained {
  std::vector<double> losses{};
  std::vector<float> weights{};
  std::vector<std::vector<float>> slots{};
  at::Tensor buffers{};  // running statistics, and where weights are averaged, theirs
};

using Start = std::function<void(Model&)>;
struct Options {
  int reload_after = -1;  // steps; then the step is thrown away and made anew
  Start prepare{};        // what is changed of the weights before
  const Teachers* teachers = nullptr;
};

// One step a batch of the first images.
inline Trained train(By by, const Network& network, const Config& config, const Faces& faces, int steps,
                     const Options& options = {}) {
  const auto model = make_model(network, config);
  if (options.prepare) {
    const at::NoGradGuard no_grad;
    options.prepare(*model);
  }
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto communicator = make_identity_communicator();
  HostRuntime runtime(*communicator);
  const Dataset dataset = dataset_of(faces);
  const auto make = [&] {
    return std::make_unique<DeviceStep>(*model, *optimizer, dataset, runtime, config, options.teachers,
                                        by == By::kKernels ? make_host_kernels(config.precision) : nullptr);
  };
  auto step = make();
  step->begin_epoch(0, faces.rows);
  Trained trained;
  const int64_t images = config.batch_size;
  for (int i = 0; i < steps; ++i) {
    if (i == options.reload_after) {
      step = make();
      step->begin_epoch(0, faces.rows);
    }
    const auto rows = std::span(faces.rows).subspan(static_cast<size_t>(i * images), static_cast<size_t>(images));
    BatchSums sums = step->run({.images = faces.images,
                                .labels = faces.labels,
                                .rows = rows,
                                .global_images = images,
                                .first_position = i * images,
                                .batch_position = i * images,
                                .batch_rows = rows,
                                .recipe = image_recipe(config, 0)},
                               config.learning_rate);
    sums += step->synchronize();
    trained.losses.push_back(sums.loss);
  }
  trained.weights.assign(model->store().weights().begin(), model->store().weights().end());
  for (const Optimizer::Slot& slot : optimizer->slots()) trained.slots.push_back(slot.values);
  trained.buffers = model->flat_buffers().clone();
  if (model->flat_averaged_buffers().defined())
    trained.buffers = at::cat({trained.buffers, model->flat_averaged_buffers()});
  return trained;
}

inline at::Tensor as_tensor(const std::vector<float>& values) { return at::tensor(values).to(at::kDouble); }

// Of Euclidean lengths: one decision at a tie moves a few values far.
inline double distance(const std::vector<float>& found, const std::vector<float>& expected) {
  const at::Tensor wanted = as_tensor(expected);
  return ((as_tensor(found) - wanted).norm() / wanted.norm().clamp_min(1e-12)).item<double>();
}

}  // namespace fer_ddp
