// The fused network's passes by name, with the operations that their methods carry out.
#include <algorithm>
#include <array>

#include "kernels/winograd_convolution.h"
#include "step/fused/fused_network.h"

namespace fer_ddp {

namespace {

// Share of winners that ReLU let through.
double alive_share(std::span<const uint8_t> winners) {
  if (winners.empty()) return 0;
  return static_cast<double>(std::count_if(winners.begin(), winners.end(), [](uint8_t code) { return code < 4; })) /
         static_cast<double>(winners.size());
}

// 36 products of (tiles x inputs) by (inputs x outputs).
double winograd_operations(const BlockShape& shape) {
  const int tiles = shape.pooled_height() / 2 * (shape.pooled_width() / 2);
  return 2.0 * 36 * tiles * shape.input_channels * shape.output_channels;
}

}  // namespace

std::vector<PassTime> FusedNetwork::pass_times() const {
  const auto share = batch_.rows.size();
  const auto images = static_cast<double>(images_seen_);
  const double first_values = static_cast<double>(fused_layout::kFirstSize);
  const double first_alive = alive_share(first_winners().first(share * static_cast<size_t>(fused_layout::kFirstSize)));
  const double second_alive =
      static_cast<double>(fused_layout::kSecondSize) *
      alive_share(second_winners().first(share * static_cast<size_t>(fused_layout::kSecondSize)));
  double units = 0;
  for (int image = 0; image < units_.images(); ++image) units += static_cast<double>(units_.of_image(image).size());
  const double units_an_image = share == 0 ? 0 : units / static_cast<double>(share);
  const double inputs = static_cast<double>(kHiddenLayer.input_size());
  const std::array<PassTime, kFusedPasses> passes = {{
      {"dropout drawn", 0, 0},
      {"block 1 forward", 0, first_values * 4 * 9 * 2},
      {"block 1 normalisation folded in", 0, 0},
      {"block 2 forward (Winograd)", 0, winograd_operations(kSecondBlock)},
      {"hidden layer forward", 0, 2 * inputs * kHiddenLayer.units},
      {"classifier forward, backward", 0, 3.0 * 2 * kHiddenLayer.units * kClasses},
      {"hidden layer backward (sparse)", 0, 2 * 2 * inputs * units_an_image},
      {"block 2 backward (sparse)", 0, 2 * 2 * second_alive * 9 * kSecondBlock.input_channels},
      {"block 2 gradient finished", 0, 0},
      {"block 1 backward (sparse)", 0, 2 * first_values * first_alive * 9},
      {"sums over the ranks, waiting", 0, 0},
      {"weights updated", 0, 0},
  }};
  std::vector<PassTime> times(passes.begin(), passes.end());
  for (size_t pass = 0; pass < times.size(); ++pass) {
    times[pass].seconds = clock_.seconds(pass);
    times[pass].operations *= images;
  }
  return times;
}

}  // namespace fer_ddp
