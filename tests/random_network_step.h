// What tests of engines on random networks have in common: the networks and their configurations, one step, and the
// fp64 reference that takes an engine's own decisions (tests/reference_network.h). FER_DDP_RANDOM_NETWORKS sets how
// many networks are drawn, 40 by default, 10 under sanitizers. Half of the configurations learn from two teachers,
// drawn as well, at temperature 1 or another.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdlib>

#include "step/autograd/autograd_step.h"
#include "step/input_images.h"
#include "step/teachers.h"
#include "tests/faces.h"
#include "tests/random_network.h"
#include "tests/reference_network.h"

namespace fer_ddp {

inline constexpr double kLearningRate = 0.5;

inline int networks() {
  const char* asked = std::getenv("FER_DDP_RANDOM_NETWORKS");
  return asked == nullptr ? FER_DDP_DEFAULT_NETWORKS : std::atoi(asked);
}

inline Config config_of(uint64_t number) {
  Config config{.batch_size = 64,
                .optimizer = OptimizerRule::kSgd,
                .init = "uniform_fan_in",
                .label_smoothing = number % 3 == 0 ? 0.1 : 0.0,
                .momentum = 0.5,  // so that the slots hold the gradients
                .random_seed = static_cast<int64_t>(number)};
  if (number % 2 == 1) {
    config.distill_from = {"one that has stages", "one that has none"};
    config.distill_weight = 0.3;
    config.distill_temperature = number % 4 == 1 ? 1 : 2.5;
  }
  return config;
}

// Null where the configuration asks for none.
inline std::unique_ptr<Teachers> teachers_of(const Config& config) {
  if (config.distill_from.empty()) return nullptr;
  const auto number = static_cast<uint64_t>(config.random_seed);
  std::vector<std::unique_ptr<Model>> models;
  Network staged = RandomNetwork(1000 + number).draw_staged();
  for (uint64_t next = 1100; !plan_stages(staged).refusal.empty(); next += 100)
    staged = RandomNetwork(next + number).draw_staged();
  for (const Network& network : {staged, RandomNetwork(2000 + number).draw()}) {
    models.push_back(make_model(network, config));
    const at::NoGradGuard no_grad;
    // So that they are of a clear opinion.
    for (const Parameter& parameter : models.back()->store().parameters())
      if (parameter.name == network.layers.back().name + ".weight") at::Tensor(parameter.value).mul_(20);
  }
  EXPECT_NE(plan_stages(models[1]->network()).refusal, "");
  return std::make_unique<Teachers>(std::move(models));
}

inline std::unique_ptr<TrainingStep> taught(std::unique_ptr<TrainingStep> step, Teachers* teachers,
                                            const Config& config) {
  return teachers == nullptr ? std::move(step) : make_distilling_step(std::move(step), *teachers, config);
}

struct Stepped {
  double loss = 0;
  int64_t correct = 0;
  std::map<std::string, at::Tensor> gradients{};
  StoredTensors weights;  // after the step
};

// One step over all the faces. SGD's slot after its first step is -rate * gradient.
inline Stepped step_once(TrainingStep& step, Model& model, Optimizer& optimizer, const Faces& faces) {
  step.begin_epoch(0, faces.rows);
  BatchSums sums = step.run(faces.batch(), kLearningRate);
  sums += step.synchronize();
  Stepped stepped{.loss = sums.loss, .correct = sums.correct, .weights = copy_weights(model)};
  std::vector<float>& slot = optimizer.slots().at(0).values;
  for (const Parameter& parameter : model.store().parameters())
    stepped.gradients[parameter.name] =
        at::from_blob(slot.data() + parameter.offset, parameter.value.sizes(), parameter.value.strides(), at::kFloat)
            .to(at::kDouble) /
        -kLearningRate;
  return stepped;
}

inline double largest(const at::Tensor& values) { return values.abs().max().item<double>(); }

inline at::Tensor input_of(const Network& network, const Faces& faces) {
  return input_images(network.input, static_cast<int64_t>(faces.rows.size()),
                      [&](int64_t i) { return faces.images.data() + i * kImagePixels; });
}

// What the teachers' own layers say, in fp64 from their logits on.
inline at::Tensor said_by(const Teachers& teachers, const Faces& faces, double temperature) {
  const at::NoGradGuard no_grad;
  at::Tensor sum = at::zeros({static_cast<int64_t>(faces.rows.size()), kExpressionCount}, at::kDouble);
  for (const auto& model : teachers.models())
    sum += at::softmax(model->forward(input_of(model->network(), faces), {}).to(at::kDouble) / temperature, 1);
  return sum / static_cast<double>(teachers.models().size());
}

// The fp64 reference after one step over all the faces; it decides as the engine does (tests/reference_network.h).
class Reference {
 public:
  Reference(const Model& start, const Config& config, const Faces& faces, const ReferenceNetwork::EngineValue& values,
            double nudge) {
    const auto images = static_cast<int64_t>(faces.rows.size());
    network_ = std::make_unique<ReferenceNetwork>(start, start.draw_kept_units(0, 0, images), values, nudge);
    at::Tensor labels = at::empty({images}, at::kLong);
    for (int64_t i = 0; i < images; ++i) labels[i] = int64_t{faces.labels[static_cast<size_t>(i)]};
    const at::Tensor logits = network_->forward(input_of(start.network(), faces));
    at::Tensor loss = summed_loss(logits, labels, config.label_smoothing);
    if (const auto teachers = teachers_of(config)) {
      const double weight = config.distill_weight;
      const double temperature = config.distill_temperature;
      const at::Tensor theirs =
          -(said_by(*teachers, faces, temperature) * at::log_softmax(logits / temperature, 1)).sum();
      loss = (1 - weight) * loss + weight * temperature * temperature * theirs;
    }
    torch::autograd::backward({loss / static_cast<double>(images)}, {});
    loss_ = loss.item<double>();
  }

  [[nodiscard]] double loss() const { return loss_; }
  [[nodiscard]] at::Tensor gradient(const std::string& name) const { return network_->gradient(name); }
  [[nodiscard]] at::Tensor tensor(const std::string& name) const { return network_->tensor(name).detach(); }

 private:
  std::unique_ptr<ReferenceNetwork> network_;
  double loss_ = 0;
};

// How much rounding may change is seen from the reference, its weights nudged: BatchNorm of a channel that hardly
// varies magnifies it. Gradients that vanish (of a bias before a BatchNorm) are held to the network's largest.
inline void expect_as_reference(const Stepped& found, const Model& start, const Config& config, const Faces& faces,
                                const ReferenceNetwork::EngineValue& values) {
  constexpr double kNudge = 1e-5;
  const Reference reference(start, config, faces, values, 0);
  const Reference nudged(start, config, faces, values, kNudge);
  EXPECT_NEAR(found.loss, reference.loss(), 1e-4 * reference.loss() + std::abs(reference.loss() - nudged.loss()));
  double largest_of_all = 0;
  for (const auto& [name, gradient] : found.gradients)
    largest_of_all = std::max(largest_of_all, largest(reference.gradient(name)));
  for (const auto& [name, gradient] : found.gradients) {
    const at::Tensor expected = reference.gradient(name);
    const double allowed = 1e-3 * largest(expected) + 1e-4 * largest_of_all + largest(expected - nudged.gradient(name));
    EXPECT_LE(largest(gradient - expected), allowed) << name;
    const StoredTensor& weights = found.weights.at(name);
    const at::Tensor own = at::from_blob(const_cast<float*>(weights.values.data()), weights.shape, at::kFloat);
    EXPECT_LE(largest(own - (reference.tensor(name) - kLearningRate * expected)), kLearningRate * allowed + 1e-6)
        << name;
  }
  for (const Buffer& buffer : start.buffers()) {
    const StoredTensor& moved = found.weights.at(buffer.name);
    const at::Tensor own = at::from_blob(const_cast<float*>(moved.values.data()), moved.shape, at::kFloat);
    EXPECT_TRUE(at::allclose(own.to(at::kDouble), reference.tensor(buffer.name), 1e-4, 1e-6)) << buffer.name;
  }
}

enum class Drawn { kAny, kStaged };

// Calls test(network, config, faces) for each drawn network.
template <typename Test>
inline void for_each_network(Drawn drawn, const Test& test) {
  for (int i = 0; i < networks(); ++i) {
    const auto number = static_cast<uint64_t>(i);
    RandomNetwork random(number);
    const Network network = drawn == Drawn::kAny ? random.draw() : random.draw_staged();
    SCOPED_TRACE("network " + std::to_string(i) + ": " + network_to_json(network).dump());
    test(network, config_of(number), Faces::patches(drawn == Drawn::kAny ? 9 + i % 7 : 2 + i % 9));
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace fer_ddp
