#include "step/fused/stages/staged_network.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "kernels/matrix_tiles.h"
#include "kernels/tree_sum.h"
#include "network/gradient_memory.h"

namespace fer_ddp {

namespace {

// Leaves of a global batch: as many as ranks with the same bits.
constexpr int kLeaves = 8;
constexpr int64_t kSumGrain = 1 << 12;  // floats of a leaf's gradients that are worth a thread

int own_leaves(const StagedNetwork::Options& options) {
  return static_cast<int>(leaves_of_share(0, 0, 0, kLeaves, options.rank, options.world_size).size()) - 1;
}

std::span<float> buffer_of(Model& model, const std::string& name) {
  for (const Buffer& buffer : model.buffers())
    if (buffer.name == name) return {buffer.value.data_ptr<float>(), static_cast<size_t>(buffer.value.numel())};
  return {};
}

}  // namespace

std::string precision_refusal(Precision precision) {
  const std::string refusal = precision == Precision::kBf16 ? matrix_tiles_refusal() : "";
  return refusal.empty() ? "" : fmt::format("precision is bf16, for which it takes AMX, and {}", refusal);
}

StagedNetwork::StagedNetwork(const Options& options, const StagePlan& plan, const StagedLayout& layout, Model& model,
                             std::span<const float> weights, std::span<float> gradients, StagedSums sums)
    : options_(options),
      plan_(plan),
      gradients_(gradients),
      sums_(std::move(sums)),
      around_{.weights = weights,
              .gradients = gradients,
              .leaves = own_leaves(options),
              .most_images = std::max<int64_t>(options.most_images, 1),
              .bf16 = options.precision == Precision::kBf16},
      channel_range_(layout.channel_range()),
      threads_(at::get_num_threads()),
      results_(static_cast<size_t>(around_.leaves)),
      clock_(2 * plan.stages.size() + kOuterPasses) {
  int64_t channels = 1;
  for (const StageSpec& stage : plan.stages) channels = std::max(channels, stage.output.channels);
  ones_.assign(static_cast<size_t>(channels), 1.0F);
  images_ = AlignedBuffer<float>(static_cast<size_t>(around_.most_images * kImagePixels));
  around_.images = images_.data();
  make_stages(layout, model);
  if (options.trains) share_gradients();
  take_buffers();
  reload();
}

void StagedNetwork::make_stages(const StagedLayout& layout, Model& model) {
  const auto activation_of = [&](int stage) {
    return stage == StageSpec::kImages ? nullptr : &stages_[static_cast<size_t>(stage)]->activation();
  };
  for (size_t i = 0; i < plan_.stages.size(); ++i) {
    const StageSpec& spec = plan_.stages[i];
    const bool is_convolution = spec.kind == StageSpec::Kind::kConvolution;
    const Layer* norm = spec.kind == StageSpec::Kind::kBatchNorm ? spec.layer : spec.batch_norm;
    StageInputs inputs{.input = activation_of(spec.input),
                       .shortcut = activation_of(spec.shortcut),
                       .surroundings = &around_,
                       .ranges = layout.of_stage(i)};
    if (norm != nullptr) {
      inputs.running_mean = buffer_of(model, norm->name + ".running_mean");
      inputs.running_variance = buffer_of(model, norm->name + ".running_var");
      inputs.ones = std::span(ones_).first(static_cast<size_t>(norm->output.channels));
    }
    const int index = static_cast<int>(i);
    stages_.push_back(is_convolution ? make_convolution_stage(spec, index, inputs)
                                     : make_plain_stage(spec, index, inputs));
    if (norm != nullptr)
      running_.push_back({stages_.back()->normalization(), inputs.running_mean, inputs.running_variance});
  }
  for (size_t i = stages_.size(); i-- > 0;) {
    const StageSpec& spec = plan_.stages[i];
    for (const int read : {spec.input, spec.shortcut})
      if (read != StageSpec::kImages) activation_of(read)->first_reader = static_cast<int>(i);
  }
  Activation& last = stages_.back()->activation();
  last.first_reader = static_cast<int>(stages_.size());
  head_ = std::make_unique<Head>(plan_.head, last, last.first_reader, layout.of_head(), layout.head_range(), around_);
}

void StagedNetwork::reload() {
  evaluates_ = false;
  for (const Running& each : running_) each.normalization->use_running(each.mean, each.variance);
}

void StagedNetwork::share_gradients() {
  const GradientMemory memory = plan_gradient_memory(plan_);
  for (const int64_t size : memory.slot_sizes)
    gradient_buffers_.emplace_back(static_cast<size_t>(around_.most_images * size));
  for (size_t i = 0; i < stages_.size(); ++i)
    stages_[i]->activation().gradient = gradient_buffers_[memory.slot_of_stage[i]].data();
}

void StagedNetwork::take_buffers() {
  size_t parts = head_->range().size();
  int64_t scratch = head_->scratch_size();
  int64_t outputs = 0;
  for (const auto& stage : stages_) {
    parts = std::max(parts, stage->weight_range().size());
    scratch = std::max(scratch, stage->scratch_size());
    outputs = std::max(outputs, stage->positions() * stage->activation().shape.channels);
  }
  if (options_.trains) {
    parts_ = AlignedBuffer<float>(parts * static_cast<size_t>(around_.leaves));
    around_.parts = parts_.data();
    output_gradient_ = AlignedBuffer<float>(static_cast<size_t>(around_.most_images * outputs));
    around_.output_gradient = output_gradient_.data();
  }
  scratch_size_ = static_cast<size_t>((scratch + 15) / 16 * 16);
  scratch_ = AlignedBuffer<float>(scratch_size_ * static_cast<size_t>(threads_));
  logits_ = AlignedBuffer<float>(static_cast<size_t>(around_.most_images * kExpressionCount));
}

// work(run): each thread's leaves, one run after the other where it has several.
template <typename Work>
void StagedNetwork::for_each_run(bool training, const Work& work) {
  at::parallel_for(0, static_cast<int64_t>(leaves_.size()) - 1, 1, [&](int64_t begin, int64_t end) {
    work(LeafRun{.leaves = std::span<const int>(leaves_).subspan(static_cast<size_t>(begin),
                                                                 static_cast<size_t>(end - begin + 1)),
                 .first_leaf = static_cast<int>(begin),
                 .scratch = scratch_.data() + static_cast<size_t>(at::get_thread_num()) * scratch_size_,
                 .training = training});
  });
}

std::span<double> StagedNetwork::leaf_total(double* sums, int64_t channels) {
  add_tree(sums, around_.leaves, 2 * channels);
  const std::span<double> total(sums, static_cast<size_t>(2 * channels));
  sums_.statistics(total);
  clock_.lap(pass(kSumOverRanks));
  return total;
}

HeadResult StagedNetwork::step(const StagedBatch& batch) {
  const int64_t images = batch.share.count();
  if (!options_.trains || images > options_.most_images || at::get_num_threads() > threads_)
    throw machine_error("the staged network was made for evaluation, or for fewer images or threads");
  const int64_t end = batch.begin + images;
  leaves_ = leaves_of_share(batch.global_images, batch.begin, end, kLeaves, options_.rank, options_.world_size);
  statistics_images_ = batch.statistics_images;
  images_seen_ += images;
  evaluates_ = false;
  at::parallel_for(0, images, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) batch.share.write(i, images_.data() + i * kImagePixels);
  });
  clock_.lap(pass(kReadImages));
  forward();
  stages_.back()->activation().has_gradient = true;
  const auto scale = static_cast<float>(1.0 / static_cast<double>(batch.global_images));
  for_each_run(true, [&](const LeafRun& run) {
    // Leaf by leaf, so that each has a result of its own.
    for (size_t i = 0; i + 1 < run.leaves.size(); ++i) {
      const LeafRun leaf{run.leaves.subspan(i, 2), run.first_leaf + static_cast<int>(i), run.scratch, true};
      results_[static_cast<size_t>(leaf.first_leaf)] = head_->step(leaf, batch.share, batch.kept, scale);
    }
  });
  sum_parts(head_->range());
  clock_.lap(pass(kHead));
  backward();
  HeadResult total;
  for (const HeadResult& result : results_) {
    total.loss += result.loss;
    total.correct += result.correct;
  }
  return total;
}

void StagedNetwork::forward() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    Stage& stage = *stages_[i];
    const int64_t channels = stage.activation().shape.channels;
    FusedNormalization* normalization = stage.normalization();
    stage.prepare();
    if (normalization != nullptr) normalization->take_centre();
    if (stage.statistics() != nullptr) std::fill_n(stage.statistics(), around_.leaves * 2 * channels, 0.0);
    for_each_run(true, [&](const LeafRun& run) { stage.compute(run); });
    clock_.lap(2 * i);
    if (normalization != nullptr)
      normalization->use_batch(leaf_total(stage.statistics(), channels), statistics_images_ * stage.positions());
    if (stage.has_second_pass()) for_each_run(true, [&](const LeafRun& run) { stage.second_pass(run); });
    // Readers leave other sums in the same place.
    if (stage.statistics() != nullptr) std::fill_n(stage.statistics(), around_.leaves * 2 * channels, 0.0);
    stage.activation().has_gradient = false;
    clock_.lap(2 * i);
  }
}

void StagedNetwork::backward() {
  for (size_t i = stages_.size(); i-- > 0;) {
    backward(*stages_[i]);
    clock_.lap(2 * i + 1);
  }
  sums_.gradients_are_there(channel_range_);
}

void StagedNetwork::backward(Stage& stage) {
  stage.begin_backward();
  if (stage.sums_gradient()) for_each_run(true, [&](const LeafRun& run) { stage.sum_gradient(run); });
  if (stage.activation().sums != nullptr || stage.sums_gradient()) {
    const std::span<double> total = leaf_total(stage.statistics(), stage.activation().shape.channels);
    stage.use_gradient_sums(total, statistics_images_ * stage.positions());
  }
  for_each_run(true, [&](const LeafRun& run) { stage.backward(run); });
  if (stage.weight_range().size() > 0) sum_parts(stage.weight_range());
}

void StagedNetwork::sum_parts(FlatRange range) {
  const auto size = static_cast<int64_t>(range.size());
  at::parallel_for(0, size, kSumGrain, [&](int64_t begin, int64_t end) {
    add_tree(parts_.data(), around_.leaves, size, begin, end);
    std::copy(parts_.data() + begin, parts_.data() + end, gradients_.data() + range.begin + begin);
  });
  sums_.gradients_are_there(range);
}

void StagedNetwork::prepare_evaluation() {
  if (std::exchange(evaluates_, true)) return;
  for (const auto& stage : stages_) {
    stage->prepare();
    if (stage->normalization() != nullptr) stage->normalization()->use_running_statistics();
  }
}

void StagedNetwork::evaluate(int64_t begin, int64_t end,
                             const std::function<void(int64_t image, float* pixels)>& write_image,
                             const std::function<void(int64_t image, const float* logits)>& record) {
  prepare_evaluation();
  for (int64_t first = begin; first < end; first += around_.most_images) {
    const int64_t count = std::min(around_.most_images, end - first);
    leaves_ = leaves_of_share(count, 0, count, kLeaves, 0, 1);
    for_each_run(false, [&](const LeafRun& run) {
      for (int64_t i = run.begin(); i < run.leaves.back(); ++i)
        write_image(first + i, images_.data() + i * kImagePixels);
      for (const auto& stage : stages_) {
        stage->compute(run);
        if (stage->has_second_pass()) stage->second_pass(run);
      }
      head_->evaluate(run, [&](int image, const float* logits) {
        std::copy_n(logits, kExpressionCount, logits_.data() + int64_t{image} * kExpressionCount);
      });
    });
    for (int64_t i = 0; i < count; ++i) record(first + i, logits_.data() + i * kExpressionCount);
  }
}

std::vector<PassTime> StagedNetwork::pass_times() const {
  std::vector<PassTime> times;
  const auto images = static_cast<double>(images_seen_);
  for (size_t i = 0; i < stages_.size(); ++i) {
    const Layer* layer = plan_.stages[i].layer;
    const std::string name = layer == nullptr ? "read out"
                                              : fmt::format("{} {}", layer->place,
                                                            layer->name.empty() ? kind_name(layer->kind) : layer->name);
    const double flop = layer == nullptr ? 0 : product_flop(*layer) * images;
    times.push_back({name + " forward", clock_.seconds(2 * i), flop});
    times.push_back(
        {name + " backward", clock_.seconds(2 * i + 1), (plan_.stages[i].input == StageSpec::kImages ? 1 : 2) * flop});
  }
  const char* outer[kOuterPasses] = {"dropout drawn", "images read", "head", "sums over the ranks, waiting",
                                     "weights updated"};
  for (size_t i = 0; i < kOuterPasses; ++i)
    times.push_back({outer[i], clock_.seconds(pass(static_cast<OuterPass>(i))), 0});
  return times;
}

}  // namespace fer_ddp
