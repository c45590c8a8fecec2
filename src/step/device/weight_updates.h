// The calls of DeviceKernels (step/device/device_kernels.h) that update weights by the rules of optim/optimizer.h, in
// one pass over the flat buffers wherever a rule allows it. Neither torch here, nor CUDA.
#pragma once

#include <cstdint>
#include <span>

namespace fer_ddp {

inline constexpr int kWeightsOfAGroup = 16;

// What every rule's call takes and leaves beside its own. Buffers are flat, of `size`, a multiple of a group: the
// weights of a group are of one parameter and its padding.
struct WeightUpdate {
  int64_t size = 0;
  float* weights = nullptr;
  const float* gradient = nullptr;
  const float* gradient_factor = nullptr;  // [1]: of all of the gradient (GradientClip); null: 1
  const float* numbers = nullptr;  // [3]: the learning rate, what the rule takes for its decay, the average's share
  float* average = nullptr;        // average += share * (weights - average); null: none is kept
  void* values = nullptr;          // the new weights as values, where those are not fp32; null: not asked for
};

// The factor that gradient_clip_norm asks of a gradient: clip / max(norm of all of it, clip). The order of the sum is
// that of the size alone.
struct GradientClip {
  static constexpr int kMostParts = 512;

  int64_t size = 0;  // a multiple of a group
  const float* gradient = nullptr;
  float clip = 0;
  float* parts = nullptr;   // [1 + kMostParts]: working memory; its owner sets the first to zero once
  float* factor = nullptr;  // [1]
};

// Adam's. The learning rate comes corrected, and with it the factor that decays weights before.
struct AdamStep {
  WeightUpdate update{};
  float* m = nullptr;
  float* v = nullptr;
  float new_share1 = 0;  // of the gradient in m, of its square in v
  float new_share2 = 0;
  float epsilon = 0;
  bool decays = false;
  const uint8_t* decaying = nullptr;  // [groups]: 1 where weights decay and 0 where not; null: everywhere
};

struct SgdStep {
  WeightUpdate update{};
  float* velocity = nullptr;  // null: no momentum
  float momentum = 0;
  bool nesterov = false;
  float decay = 0;                    // of the weights in the gradient
  const uint8_t* decaying = nullptr;  // as AdamStep's
};

}  // namespace fer_ddp
