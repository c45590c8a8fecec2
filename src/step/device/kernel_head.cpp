#include "step/device/kernel_head.h"

#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/expressions.h"

namespace fer_ddp {

namespace {

float share_of(const Layer& dropout) { return static_cast<float>(std::get<layer::Dropout>(dropout.kind).share); }

}  // namespace

KernelHead::KernelHead(const std::vector<const Layer*>& layers, KernelValues& input, const DeviceFeed& feed,
                       const StepNumbers& numbers, KernelSurroundings& around, double label_smoothing)
    : input_(input),
      feed_(feed),
      numbers_(numbers),
      around_(around),
      label_smoothing_(static_cast<float>(label_smoothing)),
      averages_(std::holds_alternative<layer::GlobalAveragePool>(layers.front()->kind)),
      last_(layers.back()) {
  add_rows(layers.front()->output.size());
  add_operations(layers);
  logits_ = around.make_floats(around.most_images * kExpressionCount).view({around.most_images, kExpressionCount});
  logit_gradient_ = around.make_floats(around.most_images * kExpressionCount);
  results_ = around.make_floats(around.most_images * 2);
}

void KernelHead::add_rows(int64_t size) {
  const int64_t count = around_.most_images * size;
  rows_.push_back({size, around_.make_values(count), around_.make_values(around_.trains ? count : 0)});
}

void KernelHead::add_operations(const std::vector<const Layer*>& layers) {
  for (size_t i = 1; i + 1 < layers.size(); ++i) {
    const Layer& layer = *layers[i];
    const auto* dropout = std::get_if<layer::Dropout>(&layer.kind);
    if (dropout != nullptr && dropout->share == 0) continue;
    const bool is_dense = std::holds_alternative<layer::Dense>(layer.kind);
    const bool is_relu = std::holds_alternative<layer::Relu>(layer.kind);
    // A layer joins the operation before it as long as that has nothing that comes behind.
    const bool joins = !operations_.empty() && !is_dense && operations_.back().dropout == nullptr &&
                       !(is_relu && operations_.back().relu);
    if (!joins) {
      operations_.push_back({.rows = rows_.size() - 1});
      add_rows(layer.output.size());
    }
    Operation& operation = operations_.back();
    if (is_dense) operation.dense = &layer;
    if (is_relu) operation.relu = true;
    if (dropout != nullptr) {
      operation.dropout = &layer;
      operation.kept_offset = dropped_units_;
      dropped_units_ += layer.output.size();
    }
  }
  for (Operation& operation : operations_) {
    if (operation.dense == nullptr) continue;
    int64_t part_rows = 1;
    int weight_parts = 1;
    for (int images = 1; images <= around_.most_images; ++images) {
      part_rows = std::max(part_rows, int64_t{images} * around_.kernels.dense_parts(shape(operation, images)));
      weight_parts = std::max(weight_parts, around_.kernels.weight_gradient_parts(shape(operation, images)).count);
    }
    operation.parts = around_.make_floats(part_rows * operation.dense->output.size());
    operation.weight_parts = around_.make_floats(around_.trains ? weight_parts * shape(operation, 0).weights() : 0);
  }
}

DeviceConvolution KernelHead::shape(const Operation& operation, int images) const {
  return {.input = {images, 1, 1, static_cast<int>(rows_[operation.rows].size)},
          .output = {images, 1, 1, static_cast<int>(rows_[operation.rows + 1].size)},
          .kernel = 1};
}

ActivateRows KernelHead::activation(const Operation& operation, const KernelBatch& batch) const {
  ActivateRows work{.images = batch.images,
                    .units = static_cast<int>(rows_[operation.rows + 1].size),
                    .relu = operation.relu,
                    .output = rows_[operation.rows + 1].values.data_ptr()};
  if (operation.dense != nullptr) {
    work.parts = operation.parts.const_data_ptr<float>();
    work.part_count = around_.kernels.dense_parts(shape(operation, batch.images));
    work.bias = around_.weights(operation.dense->name + ".bias");
  } else {
    work.rows = rows_[operation.rows].values.data_ptr();
  }
  if (operation.dropout != nullptr && batch.training) {
    work.kept = feed_.kept_units().const_data_ptr<uint8_t>();
    work.first_kept = numbers_.integer_at(StepNumbers::kKeptRow);
    work.kept_stride = feed_.kept_units().size(1);
    work.kept_offset = operation.kept_offset;
    work.kept_scale = 1.0F / (1.0F - share_of(*operation.dropout));
  }
  return work;
}

Classify KernelHead::classification(const KernelBatch& batch) const {
  return {.images = batch.images,
          .inputs = static_cast<int>(rows_.back().size),
          .rows = rows_.back().values.data_ptr(),
          .weights = around_.weights(last_->name + ".weight"),
          .bias = around_.weights(last_->name + ".bias"),
          .logits = logits_.data_ptr<float>()};
}

void KernelHead::forward(const KernelBatch& batch) {
  around_.kernels.features({input_.extent(batch.images), averages_, input_.map}, input_.values,
                           rows_[0].values.data_ptr());
  for (const Operation& operation : operations_) {
    if (operation.dense != nullptr)
      around_.kernels.dense(shape(operation, batch.images), rows_[operation.rows].values.data_ptr(),
                            around_.values_of(operation.dense->name + ".weight"), operation.parts.data_ptr<float>());
    around_.kernels.activate_rows(activation(operation, batch));
  }
}

bool KernelHead::joins_classifier(const Operation& operation) const {
  return &operation == &operations_.back() && operation.dense != nullptr && operation.relu;
}

// The operation's gradient is turned in place into that of its dense layer's outputs.
void KernelHead::backward(const KernelBatch& batch, const Operation& operation) {
  const Rows& read = rows_[operation.rows];
  void* gradient = rows_[operation.rows + 1].gradient.data_ptr();
  if (!joins_classifier(operation)) {
    float* bias_gradient = operation.dense == nullptr ? nullptr : around_.gradient(operation.dense->name + ".bias");
    around_.kernels.activate_rows_gradient(activation(operation, batch), gradient, bias_gradient);
  }
  if (operation.dense == nullptr) {
    around_.kernels.pass_values(batch.images * read.size, gradient, read.gradient.data_ptr(), false);
    return;
  }
  const DeviceConvolution dense = shape(operation, batch.images);
  const std::string name = operation.dense->name + ".weight";
  float* parts = around_.take_weight_parts(operation.weight_parts, dense, name);
  around_.kernels.convolution_weight_gradient(dense, read.values.data_ptr(), gradient, parts);
  around_.kernels.convolution_input_gradient(dense, gradient, around_.values_of(name), read.gradient.data_ptr(), false);
}

void KernelHead::step(const KernelBatch& batch, const Truth& truth, float* sums) {
  forward(batch);
  Classify work = classification(batch);
  work.split_labels = truth.split_labels;
  work.order = around_.source.order;
  work.first = around_.source.first;
  work.labels = truth.labels;
  work.targets = truth.targets;
  work.label_smoothing = label_smoothing_;
  work.teachers = truth.teachers;
  work.gradient_scale = numbers_.number_at(StepNumbers::kLossScale);
  work.logit_gradient = logit_gradient_.data_ptr<float>();
  work.row_gradient = rows_.back().gradient.data_ptr();
  work.image_results = results_.data_ptr<float>();
  ClassifySums gradients{.weight_gradient = around_.gradient(last_->name + ".weight"),
                         .bias_gradient = around_.gradient(last_->name + ".bias"),
                         .sums = sums};
  if (!operations_.empty() && joins_classifier(operations_.back())) {
    const ActivateRows before = activation(operations_.back(), batch);
    work.through_relu = true;
    work.kept_scale = before.kept_scale;
    gradients.row_bias_gradient = around_.gradient(operations_.back().dense->name + ".bias");
  }
  around_.kernels.classify(work);
  around_.kernels.classify_gradient(work, gradients);
  for (size_t i = operations_.size(); i-- > 0;) backward(batch, operations_[i]);
  around_.kernels.features_gradient({input_.extent(batch.images), averages_}, rows_[0].gradient.data_ptr(),
                                    input_.gradient);
  input_.has_gradient = true;
}

void KernelHead::evaluate(const KernelBatch& batch) {
  forward(batch);
  around_.kernels.classify(classification(batch));
}

}  // namespace fer_ddp
