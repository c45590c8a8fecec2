// A network's layers as the stages of the fused engine: runs of layers that one pass over the images computes.
//
//   convolution [batch_norm] [relu] [max_pool 2]     3 x 3 of stride 1; 3 x 3 of stride 2, 1 x 1
//   batch_norm                                       after a relu or a pool
//   max_pool 2, average_pool 2
//   residual relu                                    of branches that end in a convolution [batch_norm], or the
//   identity global_average_pool or flatten, then dropout, dense and relu
//
// The first convolution reads the grey image; all others read and write multiples of 16 channels. A stage reads the
// values of one stage before it (a residual's end: of two). What matches no stage is named. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "network/network.h"

namespace fer_ddp {

inline constexpr const char* kWinograd = "Winograd convolution";  // of 3 x 3 kernels of stride 1
inline constexpr const char* kDirect = "direct convolution";      // of the others; it reads plain values

struct StageSpec {
  enum class Kind {
    kConvolution,
    kBatchNorm,
    kMaxPool,
    kAveragePool,
    kMaterialize,  // of no layer: what a convolution's readers would see, written out for one that reads plain values
    kResidual
  };
  static constexpr int kImages = -1;

  Kind kind = Kind::kConvolution;
  int input = kImages;           // the stage that is read; of a residual, its body's last
  int shortcut = kImages;        // of a residual: the other branch's last stage, or the one that the body begins from
  const Layer* layer = nullptr;  // the convolution, batch_norm, pool or residual; of the network
  const Layer* batch_norm = nullptr;  // behind a convolution
  const Layer* relu = nullptr;        // behind those
  const Layer* pool = nullptr;        // a 2 x 2 max-pool behind the ReLU
  FeatureShape output{};
};

// What a reader of a stage's values must do with them.
enum class Reading {
  kPlain,       // nothing
  kMapped,      // max(0, value * scale + shift) by channel
  kMappedOnly,  // value * scale + shift
};
[[nodiscard]] Reading reading_of(const StageSpec& stage);

struct StagePlan {
  std::string refusal{};  // why no stages match, naming the layer; empty: they do
  std::vector<StageSpec> stages{};
  std::vector<const Layer*> head{};              // from the global_average_pool or flatten on
  std::map<std::string, std::string> kernels{};  // by a layer's place: what computes it
};

// The plan points into `network`, which outlives it.
[[nodiscard]] StagePlan plan_stages(const Network& network);

}  // namespace fer_ddp
