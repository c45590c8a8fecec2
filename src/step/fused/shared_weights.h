// A model's weights as one copy a host, in the order and layouts of some kernels: brought there from the model and its
// optimizer, updated, and brought back to where checkpoints look for them.
//
// In an update each rank adds up and updates its share of the weights, while a block of it is in the cache. A matrix
// has one owner; where pieces of the buffers begin and end, and the order of every sum, depend on the layout alone, so
// that the bits are the same whoever owns what. All calls are collective but those marked otherwise.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/hierarchical_reducer.h"
#include "core/pass_clock.h"
#include "model/model.h"
#include "optim/optimizer.h"

namespace fer_ddp {

// Where parameters lie in a flat buffer. Plain values.
class WeightLayout {
 public:
  [[nodiscard]] size_t size() const { return layout_.size; }
  // For an optimizer of such buffers.
  [[nodiscard]] const ParameterLayout& layout() const { return layout_; }

  // stored: the store's flat order; fused: the kernels'. Weights, or an optimizer's values for them.
  void to_fused(std::span<const float> stored, std::span<float> fused) const;
  void to_stored(std::span<const float> fused, std::span<float> stored) const;

 protected:
  // The store's memory holds a parameter's elements [extents] in a row, the fused buffer from `begin` on by the
  // strides. is_turned: as ParameterPlace's.
  void place(const Parameter& parameter, size_t begin, const std::vector<int64_t>& extents,
             const std::vector<int64_t>& strides, bool is_turned = false);

  ParameterLayout layout_;

 private:
  struct Place {
    FlatRange range;  // of the fused buffer
    std::vector<int64_t> extents, strides;
    size_t offset = 0;  // in the store
  };
  std::vector<Place> places_;
};

// The passes of a clock that an update's times go to.
struct UpdatePasses {
  size_t sum_over_ranks;
  size_t update_weights;
};

class SharedWeights {
 public:
  // `reducible`: as HierarchicalReducer's. All but the configuration outlive this.
  SharedWeights(const WeightLayout& layout, Model& model, Optimizer& optimizer, Communicator& communicator,
                const Config& config, size_t reducible);

  // Not collective.
  [[nodiscard]] HierarchicalReducer& reducer() { return reducer_; }

  // The model's and its optimizer's, where those are newer; then true.
  bool load();
  // Back to the model and its optimizer, where those are not newer.
  void store();
  // Not collective. The model or its optimizer were changed from outside: the host's weights follow at the next load(),
  // for this may be called where others fail.
  void forget() { is_loaded_ = false; }

  // One update of the weights, by the gradients' sums that the reducer was started on. Moves the model's averaged
  // statistics too.
  void update(double learning_rate, PassClock& clock, UpdatePasses passes);

 private:
  [[nodiscard]] std::vector<size_t> take_share();

  const WeightLayout& layout_;
  Model& model_;
  Optimizer& model_optimizer_;
  HierarchicalReducer reducer_;
  std::unique_ptr<Optimizer> optimizer_;  // of this rank's share; the rest of its memory is not kept up
  std::vector<size_t> mine_;              // of its pieces
  bool is_loaded_ = false;                // the shared weights are the model's
};

}  // namespace fer_ddp
