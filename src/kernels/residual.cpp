#include "kernels/residual.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/residual.cpp"
#include <hwy/foreach_target.h>

#include "kernels/mapped_values_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// A branch's map in one vector of channels; without one, the values times one.
struct BranchMap {
  Floats scale, shift;
  HWY_INLINE BranchMap(const Branch& branch, int channel) {
    scale = branch.scale == nullptr ? broadcast(1.0F) : load(branch.scale + channel);
    shift = branch.scale == nullptr ? zeros() : load(branch.shift + channel);
  }
  HWY_INLINE Floats operator()(Floats value) const { return hn::MulAdd(value, scale, shift); }
};

void add(const Branch& body, const Branch& shortcut, bool with_relu, int64_t rows, int channels, float* out) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int channel = 0; channel < channels; channel += kLanes) {
      const int64_t at = row * channels + channel;
      Floats other = BranchMap(shortcut, channel)(load(shortcut.values + at));
      if (with_relu) other = relu(other);
      store(relu(hn::Add(BranchMap(body, channel)(load(body.values + at)), other)), out + at);
    }
  }
}

// The sums of one branch over some rows, in one vector of channels.
HWY_INLINE void add_branch_sums(const BranchSums& branch, const float* gradient, int64_t begin, int64_t end,
                                int channels, int channel) {
  if (branch.sums == nullptr) return;
  const Floats mean = load(branch.mean + channel);
  Floats sum = zeros();
  Floats products = zeros();
  for (int64_t at = begin * channels + channel; at < end * channels; at += channels) {
    const Floats dy = load(gradient + at);
    sum = hn::Add(sum, dy);
    products = hn::MulAdd(dy, hn::Sub(load(branch.values + at), mean), products);
  }
  add_to_doubles(sum, branch.sums + channel);
  add_to_doubles(products, branch.sums + channels + channel);
}

void backpropagate(const float* out, int64_t rows, int channels, float* gradient, const BranchSums& body,
                   const BranchSums& shortcut) {
  constexpr int64_t kBlockRows = 32;
  for (int64_t begin = 0; begin < rows; begin += kBlockRows) {
    const int64_t end = std::min(rows, begin + kBlockRows);
    for (int64_t at = begin * channels; at < end * channels; at += kLanes)
      store(hn::IfThenElseZero(hn::Gt(load(out + at), zeros()), load(gradient + at)), gradient + at);
    for (int channel = 0; channel < channels; channel += kLanes) {
      add_branch_sums(body, gradient, begin, end, channels, channel);
      add_branch_sums(shortcut, gradient, begin, end, channels, channel);
    }
  }
}

void normalize_branch(const float* gradient, const float* z, const float* from_gradient, const float* from_value,
                      const float* constant, int64_t rows, int channels, float* dz) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int channel = 0; channel < channels; channel += kLanes) {
      const int64_t at = row * channels + channel;
      const Floats rest = hn::MulAdd(load(z + at), load(from_value + channel), load(constant + channel));
      store(hn::MulAdd(load(gradient + at), load(from_gradient + channel), rest), dz + at);
    }
  }
}

// Calls work(index of a pooled value, indices of its window's four) for each vector.
template <typename Work>
HWY_INLINE void for_each_window(const PooledShape& shape, int images, const Work& work) {
  int64_t to = 0;
  const int64_t row = int64_t{shape.width} * shape.channels;
  for (int64_t image = 0; image < images; ++image)
    for (int y = 0; y < shape.height / 2; ++y)
      for (int x = 0; x < shape.width / 2; ++x)
        for (int channel = 0; channel < shape.channels; channel += kLanes, to += kLanes) {
          const int64_t corner =
              image * shape.positions() * shape.channels + 2 * y * row + int64_t{2} * x * shape.channels + channel;
          work(to, corner, corner + shape.channels, corner + row, corner + row + shape.channels);
        }
}

void average(const PooledShape& shape, const float* values, int images, float* pooled) {
  for_each_window(shape, images, [&](int64_t to, int64_t a, int64_t b, int64_t c, int64_t d) {
    const Floats above = hn::Add(load(values + a), load(values + b));
    const Floats below = hn::Add(load(values + c), load(values + d));
    store(hn::Mul(broadcast(0.25F), hn::Add(above, below)), pooled + to);
  });
}

void add_average_gradient(const PooledShape& shape, const float* pooled_gradient, int images, float* gradient) {
  for_each_window(shape, images, [&](int64_t from, int64_t a, int64_t b, int64_t c, int64_t d) {
    const Floats share = hn::Mul(broadcast(0.25F), load(pooled_gradient + from));
    for (const int64_t at : {a, b, c, d}) store(hn::Add(load(gradient + at), share), gradient + at);
  });
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(add);
HWY_EXPORT(backpropagate);
HWY_EXPORT(normalize_branch);
HWY_EXPORT(average);
HWY_EXPORT(add_average_gradient);

void add_residual(const Branch& body, const Branch& shortcut, bool with_relu, int64_t rows, int channels, float* out) {
  HWY_DYNAMIC_DISPATCH(add)(body, shortcut, with_relu, rows, channels, out);
}

void residual_gradient(const float* out, int64_t rows, int channels, float* gradient, const BranchSums& body,
                       const BranchSums& shortcut) {
  HWY_DYNAMIC_DISPATCH(backpropagate)(out, rows, channels, gradient, body, shortcut);
}

void normalization_gradient_of_branch(const float* gradient, const float* z, const float* from_gradient,
                                      const float* from_value, const float* constant, int64_t rows, int channels,
                                      float* dz) {
  HWY_DYNAMIC_DISPATCH(normalize_branch)(gradient, z, from_gradient, from_value, constant, rows, channels, dz);
}

void average_pool(const PooledShape& shape, const float* values, int images, float* pooled) {
  HWY_DYNAMIC_DISPATCH(average)(shape, values, images, pooled);
}

void add_average_pool_gradient(const PooledShape& shape, const float* pooled_gradient, int images, float* gradient) {
  HWY_DYNAMIC_DISPATCH(add_average_gradient)(shape, pooled_gradient, images, gradient);
}

}  // namespace fer_ddp
#endif
