#include "step/piecewise_update.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <numeric>

namespace fer_ddp {

namespace {

constexpr size_t kUpdateGrain = 1 << 14;  // elements that are worth a thread

using PieceWork = std::function<void(size_t)>;

// Threads take matrices as they come to them, the costliest first. LibTorch multiplies matrices with one thread within
// a parallel loop, and a loop over fewer than two would not be one.
void for_each_matrix(const std::vector<UpdatePiece>& pieces, std::vector<size_t> matrices, const PieceWork& work) {
  if (matrices.empty()) return;
  std::stable_sort(matrices.begin(), matrices.end(),
                   [&](size_t a, size_t b) { return pieces[a].cost > pieces[b].cost; });
  std::atomic<size_t> next = 0;
  at::parallel_for(0, std::max(at::get_num_threads(), 2), 1, [&](int64_t begin, int64_t end) {
    for (int64_t turn = begin; turn < end; ++turn)
      for (size_t i = next++; i < matrices.size(); i = next++) work(matrices[i]);
  });
}

// Blocks lie side by side, and each thread has the same ones in every step.
void for_each_block(const std::vector<UpdatePiece>& pieces, const std::vector<size_t>& blocks, const PieceWork& work) {
  if (blocks.empty()) return;
  const size_t grain = std::max<size_t>(kUpdateGrain / pieces[blocks.front()].range.size(), 1);
  at::parallel_for(0, static_cast<int64_t>(blocks.size()), static_cast<int64_t>(grain),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; ++i) work(blocks[static_cast<size_t>(i)]);
                   });
}

void for_each_piece(const std::vector<UpdatePiece>& pieces, std::span<const size_t> mine, const PieceWork& work) {
  std::vector<size_t> matrices;
  std::vector<size_t> blocks;
  for (const size_t piece : mine) (pieces[piece].is_matrix ? matrices : blocks).push_back(piece);
  for_each_matrix(pieces, std::move(matrices), work);
  for_each_block(pieces, blocks, work);
}

}  // namespace

void update_pieces(Optimizer& optimizer, std::span<const size_t> mine, std::span<float> weights,
                   std::span<float> gradient, const PartReady& ready) {
  for_each_piece(optimizer.pieces(), mine, [&](size_t piece) {
    const FlatRange range = optimizer.pieces()[piece].range;
    ready(range);
    optimizer.update(weights, gradient, range.begin, range.end);
  });
}

std::vector<double> squares_of_pieces(const Optimizer& optimizer, std::span<const size_t> mine,
                                      std::span<const float> gradient, const PartReady& ready) {
  std::vector<double> squares(optimizer.pieces().size(), 0.0);
  for_each_piece(optimizer.pieces(), mine, [&](size_t piece) {
    const FlatRange range = optimizer.pieces()[piece].range;
    ready(range);
    squares[piece] = squared_sum(gradient.subspan(range.begin, range.size()));
  });
  return squares;
}

void clip_by(Optimizer& optimizer, std::span<const double> squares) {
  optimizer.clip(std::accumulate(squares.begin(), squares.end(), 0.0));
}

void update_all_pieces(Optimizer& optimizer, double learning_rate, std::span<float> weights,
                       std::span<float> gradient) {
  optimizer.begin_step(learning_rate);
  std::vector<size_t> all(optimizer.pieces().size());
  std::iota(all.begin(), all.end(), size_t{0});
  const PartReady nothing = [](FlatRange) {};
  if (optimizer.clips()) clip_by(optimizer, squares_of_pieces(optimizer, all, gradient, nothing));
  update_pieces(optimizer, all, weights, gradient, nothing);
}

}  // namespace fer_ddp
