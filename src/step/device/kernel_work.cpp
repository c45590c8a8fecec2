#include "step/device/kernel_work.h"

#include <fmt/format.h>

#include "core/expressions.h"

namespace fer_ddp {

namespace {

constexpr double kFloat = 4;
constexpr double kMaskByte = 1.0 / kWeightsOfAGroup;

double as_double(int64_t count) { return static_cast<double>(count); }
double size_of(const DeviceExtent& extent) { return as_double(extent.size()); }
double bytes_of(const DeviceExtent& extent, ValueKind kind) { return size_of(extent) * kind.bytes; }

std::string text_of(const DeviceExtent& extent) {
  if (extent.height == 1 && extent.width == 1) return fmt::format("{} x {}", extent.images, extent.channels);
  return fmt::format("{} x {} x {} x {}", extent.images, extent.height, extent.width, extent.channels);
}

DeviceExtent pooled(DeviceExtent extent, bool pool) {
  if (!pool) return extent;
  extent.height /= 2;
  extent.width /= 2;
  return extent;
}

std::string text_of(const DeviceConvolution& shape) {
  if (shape.kernel == 1 && shape.input.height == 1 && shape.input.width == 1)
    return fmt::format("{} to {}", text_of(shape.input), shape.output.channels);
  return fmt::format("{} to {}, {} x {}{}", text_of(shape.input), shape.output.channels, shape.kernel, shape.kernel,
                     shape.stride == 1 ? "" : fmt::format(" by {}", shape.stride));
}

// An operand's vectors by channel are left out: they are few.
std::string map_text(const ChannelMap& map, bool relu, bool pool) {
  std::string text;
  if (map.kind == ChannelMap::Kind::kBias) text += ", bias";
  if (map.kind == ChannelMap::Kind::kBatch || map.kind == ChannelMap::Kind::kRunning) text += ", normalised";
  if (relu) text += ", relu";
  if (pool) text += ", pool";
  return text;
}

// A weight read and written, and what is renewed with it.
double bytes_of_new_weight(const WeightUpdate& update, ValueKind kind) {
  return kFloat * (update.average != nullptr ? 4 : 2) + (update.values != nullptr ? kind.bytes : 0);
}

double weight_part_bytes(const DeviceConvolution& shape, int part_count) {
  return kFloat * part_count * as_double(shape.weights());
}

KernelWork product(const char* name, const DeviceConvolution& shape, double bytes, ValueKind kind) {
  return {.kernel = name,
          .shape = text_of(shape),
          .bytes = bytes,
          .operations = shape.operations(),
          .on_matrix_units = kind.on_matrix_units};
}

double image_operations(const DeviceExtent& output) { return 2.0 * 9 * size_of(output); }
double bytes_of(const ImageSource& source, const DeviceExtent& output) {
  return (source.pixels != nullptr ? kFloat : 1) * as_double(int64_t{output.images} * kImagePixels);
}

// What a value's gradient is made from.
double bytes_of(const ValueGradient& of, ValueKind kind) {
  const DeviceExtent output = pooled(of.input, of.pool);
  double bytes = bytes_of(output, kind);
  if (of.winners != nullptr) bytes += size_of(output);
  if (of.relu || of.map.kind == ChannelMap::Kind::kBatch) bytes += bytes_of(of.input, kind);
  if (of.behind.values != nullptr) bytes += bytes_of(output, kind);
  return bytes;
}
std::string text_of(const ValueGradient& of) {
  return text_of(of.input) + map_text(of.map, of.relu, of.pool) +
         (of.behind.values != nullptr ? ", of a normalisation behind" : "");
}

}  // namespace

KernelWork work_of(const ChangedImages& call) {
  return {.kernel = "changed images",
          .shape = fmt::format("{} x {} x {}", call.images, kImageSide, kImageSide),
          .bytes = as_double(call.images) * ((1 + kFloat) * kImagePixels + sizeof(ImageChangeRecord))};
}

KernelWork work_of(const ImageConvolution& call, ValueKind kind) {
  return {.kernel = "image convolution",
          .shape = text_of(call.output),
          .bytes = bytes_of(call.source, call.output) + bytes_of(call.output, kind),
          .operations = image_operations(call.output)};
}

KernelWork work_of(const PooledImageConvolution& call, ValueKind kind) {
  const DeviceExtent& z = call.convolution.output;
  const DeviceExtent output = pooled(z, true);
  return {.kernel = "image convolution",
          .shape = text_of(z) + (call.bias != nullptr ? ", bias" : "") + ", relu, pool" +
                   (call.output_sums != nullptr ? ", with sums" : ""),
          .bytes = bytes_of(call.convolution.source, z) + bytes_of(output, kind) + size_of(output),
          .operations = image_operations(z)};
}

KernelWork work_of(const ImageConvolutionGradient& call, int part_count, ValueKind kind) {
  return {.kernel = "image convolution, weights' gradient",
          .shape = text_of(call.output),
          .bytes = bytes_of(call.source, call.output) + bytes_of(call.output, kind) +
                   kFloat * 9 * part_count * call.output.channels,
          .operations = image_operations(call.output)};
}

// One value of a window has a gradient.
KernelWork work_of(const PooledImageConvolutionGradient& call, int part_count, ValueKind kind) {
  const DeviceExtent output = pooled(call.output, true);
  const bool of_behind = call.behind.values != nullptr && call.behind.values != call.pooled;
  return {.kernel = "image convolution, weights' gradient",
          .shape = text_of(call.output) + ", relu, pool" +
                   (call.behind.values != nullptr ? ", of a normalisation behind" : ""),
          .bytes = bytes_of(call.source, call.output) + (of_behind ? 3 : 2) * bytes_of(output, kind) + size_of(output) +
                   kFloat * 10 * part_count * call.output.channels,
          .operations = image_operations(output)};
}

KernelWork work_of_convolution(const DeviceConvolution& shape, ValueKind kind) {
  return product("convolution", shape,
                 bytes_of(shape.input, kind) + bytes_of(shape.output, kind) + as_double(shape.weights()) * kind.bytes,
                 kind);
}

KernelWork work_of_input_gradient(const DeviceConvolution& shape, bool add, ValueKind kind) {
  return product("input's gradient", shape,
                 (add ? 2 : 1) * bytes_of(shape.input, kind) + bytes_of(shape.output, kind) +
                     as_double(shape.weights()) * kind.bytes,
                 kind);
}

KernelWork work_of_weight_gradient(const DeviceConvolution& shape, int part_count, ValueKind kind) {
  return product("weights' gradient", shape,
                 bytes_of(shape.input, kind) + bytes_of(shape.output, kind) + weight_part_bytes(shape, part_count),
                 kind);
}

KernelWork work_of_dense(const DeviceConvolution& shape, int part_count, ValueKind kind) {
  return product("dense", shape,
                 bytes_of(shape.input, kind) + kFloat * part_count * size_of(shape.output) +
                     as_double(shape.weights()) * kind.bytes,
                 kind);
}

KernelWork work_of(std::span<const WeightParts> all) {
  KernelWork work{.kernel = "sum weights' parts", .shape = fmt::format("{} tensors", all.size())};
  for (const WeightParts& each : all)
    work.bytes += kFloat * (each.part_count + 1.0) * as_double(int64_t{each.rows} * each.columns);
  return work;
}

KernelWork work_of(const ChannelSums& call, ValueKind kind) {
  return {.kernel = "channel sums", .shape = text_of(call.extent), .bytes = bytes_of(call.extent, kind)};
}

KernelWork work_of(const Normalize& call, ValueKind kind) {
  const DeviceExtent output = pooled(call.input, call.pool);
  return {.kernel = "normalize",
          .shape = text_of(call.input) + map_text(call.map, call.relu, call.pool) +
                   (call.output_sums != nullptr ? ", with sums" : ""),
          .bytes = bytes_of(call.input, kind) + bytes_of(output, kind) +
                   (call.winners != nullptr && call.pool ? size_of(output) : 0)};
}

KernelWork work_of(const GradientSums& call, ValueKind kind) {
  return {.kernel = "gradient sums", .shape = text_of(call.of), .bytes = bytes_of(call.of, kind)};
}

KernelWork work_of(const GradientOfValues& call, ValueKind kind) {
  return {.kernel = "gradient of values",
          .shape = text_of(call.of),
          .bytes = bytes_of(call.of, kind) + bytes_of(call.of.input, kind)};
}

KernelWork work_of(const ResidualSum& call, ValueKind kind) {
  return {.kernel = "residual sum", .shape = text_of(call.extent), .bytes = 3 * bytes_of(call.extent, kind)};
}

KernelWork work_of_residual_gradient(const DeviceExtent& extent, ValueKind kind) {
  return {.kernel = "residual gradient", .shape = text_of(extent), .bytes = 3 * bytes_of(extent, kind)};
}

KernelWork work_of_passing(int64_t size, bool add, ValueKind kind) {
  return {.kernel = add ? "add values" : "copy values",
          .shape = fmt::format("{}", size),
          .bytes = (add ? 3.0 : 2.0) * as_double(size) * kind.bytes};
}

KernelWork work_of(const Pooling& call, ValueKind kind) {
  const DeviceExtent output = pooled(call.input, true);
  return {.kernel = call.average ? "average pool" : "pool",
          .shape = text_of(call.input),
          .bytes = bytes_of(call.input, kind) + bytes_of(output, kind) + (call.average ? 0 : size_of(output))};
}

KernelWork work_of_pool_gradient(const Pooling& call, bool add, ValueKind kind) {
  const DeviceExtent output = pooled(call.input, true);
  return {.kernel = call.average ? "average pool's gradient" : "pool's gradient",
          .shape = text_of(call.input),
          .bytes = (add ? 2 : 1) * bytes_of(call.input, kind) + bytes_of(output, kind) +
                   (call.average ? 0 : size_of(output))};
}

KernelWork work_of(const Features& call, ValueKind kind) {
  const double row_bytes =
      call.average ? as_double(call.input.images) * call.input.channels * kind.bytes : bytes_of(call.input, kind);
  return {.kernel = call.average ? "features, averaged" : "features",
          .shape = text_of(call.input) + map_text(call.map, false, false),
          .bytes = bytes_of(call.input, kind) + row_bytes};
}

KernelWork work_of_features_gradient(const Features& call, ValueKind kind) {
  KernelWork work = work_of(call, kind);
  work.kernel = "gradient of " + work.kernel;
  return work;
}

KernelWork work_of(const ActivateRows& call, ValueKind kind) {
  const double size = as_double(int64_t{call.images} * call.units);
  const double read = call.parts != nullptr ? kFloat * call.part_count * size : kind.bytes * size;
  return {.kernel = "activate rows",
          .shape = fmt::format("{} x {}", call.images, call.units),
          .bytes = read + (call.kept != nullptr ? size : 0) + kind.bytes * size};
}

KernelWork work_of_activation_gradient(const ActivateRows& call, ValueKind kind) {
  const double size = as_double(int64_t{call.images} * call.units);
  return {.kernel = "gradient of activated rows",
          .shape = fmt::format("{} x {}", call.images, call.units),
          .bytes = 3 * kind.bytes * size + (call.kept != nullptr ? size : 0)};
}

KernelWork work_of(const Classify& call, ValueKind kind) {
  const double rows = as_double(int64_t{call.images} * call.inputs);
  const bool trains = call.logit_gradient != nullptr;
  return {.kernel = trains ? "classify" : "classify, logits alone",
          .shape = fmt::format("{} x {}", call.images, call.inputs),
          .bytes = (trains ? 2 : 1) * kind.bytes * rows + kFloat * kExpressionCount * call.inputs,
          .operations = (trains ? 4.0 : 2.0) * kExpressionCount * rows};
}

KernelWork work_of_classify_gradient(const Classify& call, const ClassifySums& sums, ValueKind kind) {
  const double rows = as_double(int64_t{call.images} * call.inputs);
  // With the rows' bias, the rows' gradient is read as well.
  const int read = sums.row_bias_gradient != nullptr ? 2 : 1;
  return {.kernel = "classifier's gradient",
          .shape = fmt::format("{} x {}", call.images, call.inputs),
          .bytes = read * kind.bytes * rows + kFloat * kExpressionCount * call.inputs,
          .operations = 2.0 * kExpressionCount * rows};
}

KernelWork work_of(const GradientClip& call) {
  return {.kernel = "gradient's norm",
          .shape = fmt::format("{} weights", call.size),
          .bytes = kFloat * as_double(call.size)};
}

KernelWork work_of(const AdamStep& call, ValueKind kind) {
  const double bytes = kFloat * 5 + (call.decaying != nullptr ? kMaskByte : 0);  // gradient, m and v
  return {.kernel = "Adam",
          .shape = fmt::format("{} weights", call.update.size),
          .bytes = as_double(call.update.size) * (bytes + bytes_of_new_weight(call.update, kind))};
}

KernelWork work_of(const SgdStep& call, ValueKind kind) {
  const double bytes =
      kFloat * (call.velocity != nullptr ? 3 : 1) + (call.decaying != nullptr ? kMaskByte : 0);  // gradient, velocity
  return {.kernel = "SGD",
          .shape = fmt::format("{} weights", call.update.size),
          .bytes = as_double(call.update.size) * (bytes + bytes_of_new_weight(call.update, kind))};
}

// The gradient, the momentum and a group's place; then a filter's direction, or another weight.
KernelWork work_of(const MuonDirections& call, ValueKind kind) {
  const double size = as_double(call.update.size);
  const double filters = as_double(call.filter_size);
  return {.kernel = "Muon's directions",
          .shape = fmt::format("{} weights, {} of filters", call.update.size, call.filter_size),
          .bytes = size * (kFloat * 3 + sizeof(int32_t) * kMaskByte) + filters * kFloat +
                   (size - filters) * bytes_of_new_weight(call.update, kind)};
}

KernelWork work_of(const MuonFilters& call, ValueKind kind) {
  int64_t size = 0;
  for (const MuonMatrix& matrix : call.matrices) size += matrix.size;
  return {.kernel = "Muon's filters",
          .shape = fmt::format("{} weights in {} matrices", size, call.matrices.size()),
          .bytes = as_double(size) * (kFloat + bytes_of_new_weight(call.update, kind))};
}

}  // namespace fer_ddp
