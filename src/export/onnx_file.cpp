#include "export/onnx_file.h"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/expressions.h"

namespace fer_ddp {

namespace {

constexpr int64_t kOperatorSet = 17;
constexpr const char* kImages = "n";  // the name of the dimension that is any number of images

void add_attribute(onnx::NodeProto& node, const char* name, int64_t value) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
}

void add_attribute(onnx::NodeProto& node, const char* name, float value) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(value);
}

void add_attribute(onnx::NodeProto& node, const char* name, const std::vector<int64_t>& values) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const int64_t value : values) attribute.add_ints(value);
}

void describe(onnx::ValueInfoProto& value, const char* name, std::initializer_list<int64_t> shape_of_one) {
  value.set_name(name);
  onnx::TypeProto::Tensor& type = *value.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param(kImages);
  for (const int64_t extent : shape_of_one) type.mutable_shape()->add_dim()->set_dim_value(extent);
}

// Adds node after node. A value is known by the name of what computes it: a layer's place in the table, which no tensor
// is called.
class GraphWriter {
 public:
  GraphWriter(const ExportedNetwork& exported, onnx::GraphProto& graph) : exported_(exported), graph_(graph) {}

  void write() {
    graph_.set_name(exported_.network.name.empty() ? "network" : exported_.network.name);
    describe(*graph_.add_input(), kExportInput, {1, kImageSide, kImageSide});
    describe(*graph_.add_output(), kExportOutput, {kExpressionCount});
    for (const auto& [name, tensor] : exported_.weights) add_tensor(name, tensor.shape, tensor.values);
    const std::string logits = write_layers(exported_.network.layers, write_scaling());
    add_node("Identity", kExportOutput, {logits}, kExportOutput);
  }

 private:
  std::string write_scaling() {
    std::string shares = add_node("Div", "scale", {kExportInput, add_number("grey_levels", 255.0F)}, "shares");
    if (exported_.network.input == PixelScale::kUnit) return shares;
    const std::vector<int64_t> pixels = {1, 2, 3};
    onnx::NodeProto* mean = nullptr;
    add_node("ReduceMean", "image_mean", {shares}, "image_mean", &mean);
    add_attribute(*mean, "axes", pixels);
    const std::string centred = add_node("Sub", "centre", {shares, "image_mean"}, "centred");
    add_node("Mul", "square", {centred, centred}, "squares");
    add_node("ReduceSum", "sum_squares", {"squares", add_axes("pixel_axes", pixels)}, "sum_of_squares");
    add_node("Div", "image_variance", {"sum_of_squares", add_number("pixels_less_one", float{kImagePixels - 1})},
             "image_variance");
    add_node("Sqrt", "image_deviation", {"image_variance"}, "image_deviation");
    add_node("Add", "image_divisor", {"image_deviation", add_number("offset", float{kStandardizeOffset})},
             "image_divisor");
    return add_node("Div", "standardize", {centred, "image_divisor"}, "standardized");
  }

  // Returns the name of what comes out; of no layers, of what goes in.
  std::string write_layers(const std::vector<Layer>& layers, std::string value) {
    for (const Layer& each : layers)
      value = std::visit([&](const auto& options) { return write_layer(each, options, value); }, each.kind);
    return value;
  }

  std::string write_layer(const Layer& each, const layer::Convolution& options, const std::string& input) {
    onnx::NodeProto& node = add_layer("Conv", each, with_weights(each, input, options.bias));
    add_attribute(node, "kernel_shape", std::vector<int64_t>(2, options.kernel));
    add_attribute(node, "strides", std::vector<int64_t>(2, options.stride));
    add_attribute(node, "pads", std::vector<int64_t>(4, options.padding));
    return each.place;
  }
  std::string write_layer(const Layer& each, const layer::BatchNorm& options, const std::string& input) {
    std::vector<std::string> inputs = with_weights(each, input, true);
    inputs.push_back(each.name + ".running_mean");
    inputs.push_back(each.name + ".running_var");
    add_attribute(add_layer("BatchNormalization", each, inputs), "epsilon", static_cast<float>(options.epsilon));
    return each.place;
  }
  std::string write_layer(const Layer& each, const layer::Relu&, const std::string& input) {
    add_layer("Relu", each, {input});
    return each.place;
  }
  std::string write_layer(const Layer& each, const layer::MaxPool& options, const std::string& input) {
    return write_pool("MaxPool", each, options.side, input);
  }
  std::string write_layer(const Layer& each, const layer::AveragePool& options, const std::string& input) {
    return write_pool("AveragePool", each, options.side, input);
  }
  std::string write_pool(const char* operation, const Layer& each, int64_t side, const std::string& input) {
    onnx::NodeProto& node = add_layer(operation, each, {input});
    add_attribute(node, "kernel_shape", std::vector<int64_t>(2, side));
    add_attribute(node, "strides", std::vector<int64_t>(2, side));
    return each.place;
  }
  std::string write_layer(const Layer& each, const layer::GlobalAveragePool&, const std::string& input) {
    const std::string means = each.place + ".means";  // [n, channels, 1, 1]
    add_node("GlobalAveragePool", means, {input}, means);
    add_attribute(add_layer("Flatten", each, {means}), "axis", int64_t{1});
    return each.place;
  }
  std::string write_layer(const Layer& each, const layer::Flatten&, const std::string& input) {
    add_attribute(add_layer("Flatten", each, {input}), "axis", int64_t{1});
    return each.place;
  }
  std::string write_layer(const Layer&, const layer::Dropout&, const std::string& input) { return input; }
  std::string write_layer(const Layer& each, const layer::Dense& options, const std::string& input) {
    add_attribute(add_layer("Gemm", each, with_weights(each, input, options.bias)), "transB", int64_t{1});
    return each.place;
  }
  std::string write_layer(const Layer& each, const layer::Residual& options, const std::string& input) {
    const std::string body = write_layers(options.body, input);
    add_layer("Add", each, {body, write_layers(options.shortcut, input)});
    return each.place;
  }

  static std::vector<std::string> with_weights(const Layer& each, const std::string& input, bool bias) {
    std::vector<std::string> inputs = {input, each.name + ".weight"};
    if (bias) inputs.push_back(each.name + ".bias");
    return inputs;
  }

  onnx::NodeProto& add_layer(const char* operation, const Layer& each, const std::vector<std::string>& inputs) {
    onnx::NodeProto* node = nullptr;
    add_node(operation, each.name.empty() ? each.place : each.name, inputs, each.place, &node);
    return *node;
  }

  std::string add_node(const char* operation, const std::string& name, const std::vector<std::string>& inputs,
                       const std::string& output, onnx::NodeProto** added = nullptr) {
    onnx::NodeProto& node = *graph_.add_node();
    node.set_op_type(operation);
    node.set_name(name);
    for (const std::string& input : inputs) node.add_input(input);
    node.add_output(output);
    if (added != nullptr) *added = &node;
    return output;
  }

  std::string add_number(const std::string& name, float value) {
    add_tensor(name, {}, std::span(&value, 1));
    return name;
  }

  std::string add_axes(const std::string& name, const std::vector<int64_t>& axes) {
    onnx::TensorProto& tensor = *graph_.add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::INT64);
    tensor.add_dims(static_cast<int64_t>(axes.size()));
    for (const int64_t axis : axes) tensor.add_int64_data(axis);
    return name;
  }

  void add_tensor(const std::string& name, const std::vector<int64_t>& shape, std::span<const float> values) {
    onnx::TensorProto& tensor = *graph_.add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    for (const int64_t extent : shape) tensor.add_dims(extent);
    const std::span<const std::byte> bytes = std::as_bytes(values);  // little-endian, as ONNX wants it
    tensor.set_raw_data(bytes.data(), bytes.size());
  }

  const ExportedNetwork& exported_;
  onnx::GraphProto& graph_;
};

void add_metadata(onnx::ModelProto& model, const char* key, const std::string& value) {
  onnx::StringStringEntryProto& entry = *model.add_metadata_props();
  entry.set_key(key);
  entry.set_value(value);
}

}  // namespace

void write_onnx(const ExportedNetwork& exported, const ByteSink& to) {
  onnx::ModelProto model;
  model.set_ir_version(8);  // the one that came with operator set 17
  model.set_producer_name("fer-ddp");
  model.add_opset_import()->set_version(kOperatorSet);
  add_metadata(model, "classes", class_names());
  GraphWriter(exported, *model.mutable_graph()).write();
  std::string bytes;
  if (model.ByteSizeLong() > size_t{INT32_MAX} || !model.SerializeToString(&bytes))
    throw user_error(
        fmt::format("the network {} is larger than the 2 GB that an ONNX file can hold", exported.network.name),
        "Export it with --format torchscript or safetensors.");
  to(std::as_bytes(std::span(bytes)));
}

}  // namespace fer_ddp
