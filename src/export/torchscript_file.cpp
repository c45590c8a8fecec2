#include "export/torchscript_file.h"

#include <ATen/ops/from_blob.h>
#include <fmt/format.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/export.h>

#include <cstddef>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/expressions.h"
#include "network/tensors.h"

namespace fer_ddp {

namespace {

using torch::jit::Module;

constexpr const char* kType = "__torch__.fer_ddp";

// "layer1.0.conv1" is conv1 of 0 of layer1.
std::vector<std::string> parts_of(const std::string& name) {
  std::vector<std::string> parts = {""};
  for (const char character : name) {
    if (character == '.')
      parts.emplace_back();
    else
      parts.back() += character;
  }
  return parts;
}

Error no_module_name(const std::string& name) {
  return user_error(fmt::format("TorchScript cannot name a weight {}", name),
                    "Give its layer another name in the run's table, or export to another format.");
}

Module child_of(Module& parent, const std::string& part, const std::string& name) {
  if (part.empty() || part == "forward" || part == "training") throw no_module_name(name);
  if (parent.hasattr(part)) {
    if (!parent.attr(part).isModule()) throw no_module_name(name);
    return parent.attr(part).toModule();
  }
  Module child(kType, parent._ivalue()->compilation_unit(), true);
  child.register_attribute("training", c10::BoolType::get(), false);
  parent.register_module(part, child);
  return child;
}

void add_weights(const ExportedNetwork& exported, Module& module) {
  for (const NetworkTensor& tensor : network_tensors(exported.network)) {
    const StoredTensor& stored = exported.weights.at(tensor.name);
    // Read alone, by the file's writer.
    const at::Tensor value = at::from_blob(const_cast<float*>(stored.values.data()), stored.shape, at::kFloat);
    Module owner = module;
    std::vector<std::string> parts = parts_of(tensor.name);
    const std::string last = parts.back();
    parts.pop_back();
    for (const std::string& part : parts) owner = child_of(owner, part, tensor.name);
    if (owner.hasattr(last)) throw no_module_name(tensor.name);
    const bool statistics = last == "running_mean" || last == "running_var";
    if (statistics)
      owner.register_buffer(last, value);
    else
      owner.register_parameter(last, value, false);
  }
}

// The body of forward(), statement by statement. What a layer gives is a variable of its own, numbered.
class ForwardWriter {
 public:
  std::string write(const Network& network) {
    text_ = fmt::format("def forward(self, {}):\n", kExportInput);
    std::string value = assign(fmt::format("{} / 255.0", kExportInput));
    if (network.input == PixelScale::kStandardizeImage) {
      const std::string mean = assign(fmt::format("torch.mean({}, [1, 2, 3], True)", value));
      const std::string deviation = assign(fmt::format("torch.std({}, [1, 2, 3], True, True)", value));
      value = assign(fmt::format("({} - {}) / ({} + {})", value, mean, deviation, kStandardizeOffset));
    }
    return text_ + fmt::format("  return {}\n", write_layers(network.layers, value));
  }

 private:
  std::string write_layers(const std::vector<Layer>& layers, std::string value) {
    for (const Layer& each : layers)
      value = std::visit([&](const auto& options) { return write_layer(each, options, value); }, each.kind);
    return value;
  }

  std::string write_layer(const Layer& each, const layer::Convolution& options, const std::string& x) {
    return assign(fmt::format("torch.conv2d({}, {}, {}, [{stride}, {stride}], [{padding}, {padding}])", x,
                              weight(each, "weight"), options.bias ? weight(each, "bias") : "None",
                              fmt::arg("stride", options.stride), fmt::arg("padding", options.padding)));
  }
  std::string write_layer(const Layer& each, const layer::BatchNorm& options, const std::string& x) {
    // Momentum counts in training alone; the last argument asks for cuDNN.
    return assign(fmt::format("torch.batch_norm({}, {}, {}, {}, {}, False, 0.0, {:#}, False)", x,
                              weight(each, "weight"), weight(each, "bias"), weight(each, "running_mean"),
                              weight(each, "running_var"), options.epsilon));
  }
  std::string write_layer(const Layer&, const layer::Relu&, const std::string& x) {
    return assign(fmt::format("torch.relu({})", x));
  }
  std::string write_layer(const Layer&, const layer::MaxPool& options, const std::string& x) {
    return assign(fmt::format("torch.max_pool2d({0}, [{1}, {1}], [{1}, {1}])", x, options.side));
  }
  std::string write_layer(const Layer&, const layer::AveragePool& options, const std::string& x) {
    return assign(fmt::format("torch.avg_pool2d({0}, [{1}, {1}], [{1}, {1}])", x, options.side));
  }
  std::string write_layer(const Layer&, const layer::GlobalAveragePool&, const std::string& x) {
    return assign(fmt::format("torch.mean({}, [2, 3])", x));
  }
  std::string write_layer(const Layer&, const layer::Flatten&, const std::string& x) {
    return assign(fmt::format("torch.flatten({}, 1)", x));
  }
  std::string write_layer(const Layer&, const layer::Dropout&, const std::string& x) { return x; }
  std::string write_layer(const Layer& each, const layer::Dense& options, const std::string& x) {
    return assign(fmt::format("torch.linear({}, {}, {})", x, weight(each, "weight"),
                              options.bias ? weight(each, "bias") : "None"));
  }
  std::string write_layer(const Layer&, const layer::Residual& options, const std::string& x) {
    const std::string body = write_layers(options.body, x);
    return assign(fmt::format("{} + {}", body, write_layers(options.shortcut, x)));
  }

  // Attributes are read by getattr, because a part of a name may be a number or hold a hyphen.
  static std::string weight(const Layer& each, const char* tensor) {
    std::string expression = "self";
    for (const std::string& part : parts_of(each.name))
      expression = fmt::format(R"(getattr({}, "{}"))", expression, part);
    return fmt::format("{}.{}", expression, tensor);
  }

  std::string assign(const std::string& expression) {
    std::string name = fmt::format("x{}", ++values_);
    text_ += fmt::format("  {} = {}\n", name, expression);
    return name;
  }

  std::string text_;
  int values_ = 0;
};

}  // namespace

void write_torchscript(const ExportedNetwork& exported, const ByteSink& to) {
  Module module(kType);
  module.register_attribute("training", c10::BoolType::get(), false);
  add_weights(exported, module);
  module.define(ForwardWriter().write(exported.network));
  torch::jit::ExportModule(module, [&to](const void* bytes, size_t size) {
    to({static_cast<const std::byte*>(bytes), size});
    return size;
  });
}

}  // namespace fer_ddp
