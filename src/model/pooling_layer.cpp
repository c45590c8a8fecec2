#include "model/pooling_layer.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/max_pool2d.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/relu_max_pool.h"

namespace fer_ddp {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

PoolShape shape_of(at::IntArrayRef sizes) { return {sizes[0], sizes[2], sizes[3], sizes[1]}; }

// The shape of images [begin, end) and the element where they begin.
PoolShape part(PoolShape shape, int64_t begin, int64_t end) {
  shape.images = end - begin;
  return shape;
}

class ReluMaxPool : public torch::autograd::Function<ReluMaxPool> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x) {
    const at::Tensor input = x.contiguous(at::MemoryFormat::ChannelsLast);
    const PoolShape shape = shape_of(input.sizes());
    const PoolShape image = part(shape, 0, 1);
    const std::vector<int64_t> pooled_sizes = {shape.images, shape.channels, shape.pooled_height(),
                                               shape.pooled_width()};
    at::Tensor pooled = at::empty(pooled_sizes, input.options(), at::MemoryFormat::ChannelsLast);
    at::Tensor winner = at::empty({shape.pooled_size()}, at::kByte);
    at::parallel_for(0, shape.images, 1, [&](int64_t begin, int64_t end) {
      relu_max_pool_forward(input.const_data_ptr<float>() + begin * image.input_size(), part(shape, begin, end),
                            pooled.data_ptr<float>() + begin * image.pooled_size(),
                            winner.data_ptr<uint8_t>() + begin * image.pooled_size());
    });
    context->saved_data["sizes"] = input.sizes().vec();
    context->save_for_backward({winner});
    return pooled;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const std::vector<int64_t> sizes = context->saved_data["sizes"].toIntVector();
    const at::Tensor winner = context->get_saved_variables()[0];
    const at::Tensor pooled_gradient = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const PoolShape shape = shape_of(sizes);
    const PoolShape image = part(shape, 0, 1);
    at::Tensor input_gradient = at::empty(sizes, pooled_gradient.options(), at::MemoryFormat::ChannelsLast);
    at::parallel_for(0, shape.images, 1, [&](int64_t begin, int64_t end) {
      relu_max_pool_backward(pooled_gradient.const_data_ptr<float>() + begin * image.pooled_size(),
                             winner.const_data_ptr<uint8_t>() + begin * image.pooled_size(), part(shape, begin, end),
                             input_gradient.data_ptr<float>() + begin * image.input_size());
    });
    return {input_gradient};
  }
};

}  // namespace

at::Tensor relu_max_pool(const at::Tensor& x, bool tensor_operators) {
  // Converted last: a quarter of the values, and the same ones.
  if (tensor_operators) return at::max_pool2d(x.relu(), {2, 2}).to(at::kFloat);
  return ReluMaxPool::apply(x.to(at::kFloat));
}

}  // namespace fer_ddp
