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

// Muon's step in front of its products: the momentum of all, the directions of filters, which are matrices, where their
// products read them, and the whole update of what is no filter.
struct MuonDirections {
  // In place of a filter's: what is no filter, and whether its weights decay.
  static constexpr int32_t kDecaying = -1;
  static constexpr int32_t kNotDecaying = -2;

  WeightUpdate update{};
  float* m = nullptr;
  const int32_t* places = nullptr;  // [groups]: which group of the directions it is, or one of the above
  float* directions = nullptr;      // of filters alone
  int64_t filter_size = 0;          // of all of them
  float momentum = 0;               // of filters
  float other_momentum = 0;
  float other_decay = 0;  // of the weights in the gradient
  float other_rate = 0;   // as a multiple of the learning rate
};

// A matrix of filters behind its products. begin, size: whole groups.
struct MuonMatrix {
  const float* direction = nullptr;  // [size], as the weights lie
  int64_t begin = 0;                 // of the weights
  int64_t size = 0;
  float scale = 1;  // of the learning rate
};

// Muon's step behind its products: the update of filters, of whose weights the second number is what decays.
struct MuonFilters {
  WeightUpdate update{};  // its gradient is not used
  std::span<const MuonMatrix> matrices{};
};

}  // namespace fer_ddp
