// An optimizer's update of some of its pieces by LibTorch's threads: the same bits whichever thread takes which, and
// however many there are.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "optim/optimizer.h"

namespace fer_ddp {

// Called for each part before it is read, while it is about to come into the cache.
using PartReady = std::function<void(FlatRange)>;

// Updates pieces()[i] for each i in `mine`, between begin_step() and the next.
void update_pieces(Optimizer& optimizer, std::span<const size_t> mine, std::span<float> weights,
                   std::span<float> gradient, const PartReady& ready);

// For each piece the sum of the squares of its gradient; zero for pieces that are not in `mine`.
[[nodiscard]] std::vector<double> squares_of_pieces(const Optimizer& optimizer, std::span<const size_t> mine,
                                                    std::span<const float> gradient, const PartReady& ready);

// Tells the optimizer the whole gradient's norm, the squares of all pieces being there.
void clip_by(Optimizer& optimizer, std::span<const double> squares);

// All of it, on one rank: weights and gradient are its own.
void update_all_pieces(Optimizer& optimizer, double learning_rate, std::span<float> weights, std::span<float> gradient);

}  // namespace fer_ddp
