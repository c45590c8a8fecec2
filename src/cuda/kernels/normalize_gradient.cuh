// The gradient of y = pool(relu(map(z))): the sums that a normalisation's gradient needs, and the gradient of z. That
// of y, where a normalisation reads y in turn, is calculated on the way. z is read only where something depends on it:
// of conv, ReLU, pool and a normalisation behind them, y tells as well what ReLU has let through, in a quarter of the
// bytes.
#pragma once

#include "cuda/kernels/channel_sums.cuh"
#include "cuda/kernels/windows.cuh"

namespace fer_ddp::cuda {

constexpr int kGradientRows = 2;  // that a thread reads at once, where nothing is pooled

// kNormalizes: whether the map is a normalisation.
template <bool kNormalizes>
__device__ inline bool reads_values(const ValueGradient& work) {
  return kNormalizes || (work.relu && work.behind.values == nullptr);
}

// What a thread does to four gradients.
template <typename T, bool kNormalizes>
class GradientThread {
 public:
  enum Constant { kBehindGradient, kBehindValue, kBehindConstant, kScale, kShift, kMean, kFirstOfCaller };

  __device__ GradientThread(const ValueGradient& work, const ChannelPlace& place, float* shared)
      : constants{shared}, work_(work), place_(place) {}

  // Of one channel.
  __device__ void prepare(int channels, int channel, int in_tile) {
    const NormalizedGradient& behind = work_.behind;
    if (behind.values != nullptr) {
      const GradientTerms terms = gradient_terms(behind.map, behind.sums, behind.count, channels, channel);
      constants.at(kBehindGradient, in_tile) = terms.from_gradient;
      constants.at(kBehindValue, in_tile) = terms.from_value;
      constants.at(kBehindConstant, in_tile) = terms.constant;
    }
    const Affine affine = backward_affine(work_.map, channel);
    constants.at(kScale, in_tile) = affine.scale;
    constants.at(kShift, in_tile) = affine.shift;
    if (kNormalizes) constants.at(kMean, in_tile) = kept_statistics(work_.map, channel).mean;
  }

  // Of y; of what ReLU has let through alone, where z is not read.
  __device__ void of_output(const Packed& read, const Packed& output, int quad, float (&gradient)[4]) const {
    unpack<T>(read, quad, gradient);
    if (work_.behind.values == nullptr) return;
    float y[4], from_gradient[4], from_value[4], constant[4];
    unpack<T>(output, quad, y);
    constants.load(kBehindGradient, place_, quad, from_gradient);
    constants.load(kBehindValue, place_, quad, from_value);
    constants.load(kBehindConstant, place_, quad, constant);
    const bool gate = work_.relu && !reads_values<kNormalizes>(work_);
    for (int i = 0; i < 4; ++i) {
      gradient[i] = __fmaf_rn(gradient[i], from_gradient[i], __fmaf_rn(y[i], from_value[i], constant[i]));
      if (gate && y[i] <= 0) gradient[i] = 0;
    }
  }
  // From that of y to g', where z is read.
  __device__ void pass_relu(const float (&z)[4], int quad, float (&gradient)[4]) const {
    if (!work_.relu || !reads_values<kNormalizes>(work_)) return;
    float scale[4], shift[4];
    constants.load(kScale, place_, quad, scale);
    constants.load(kShift, place_, quad, shift);
    for (int i = 0; i < 4; ++i)
      if (__fmaf_rn(z[i], scale[i], shift[i]) <= 0) gradient[i] = 0;
  }

  ChannelConstants<T> constants;

 private:
  const ValueGradient& work_;
  const ChannelPlace& place_;
};

// What a thread reads at once: rows.
template <typename T, bool kNormalizes>
struct GradientRows {
  Packed gradient[kGradientRows], output[kGradientRows], z[kGradientRows];

  __device__ void load(const ValueGradient& work, const ChannelGrid& grid, int channel, uint32_t row) {
    load_rows<T>(work.gradient, grid, channel, row, gradient);
    if (work.behind.values != nullptr) load_rows<T>(work.behind.values, grid, channel, row, output);
    if (reads_values<kNormalizes>(work))
      load_rows<T>(work.values, grid, channel, row, z);
    else
      for (Packed& vector : z) vector = {};
  }
};

// Or a window. One that is not whole has no winner.
template <typename T, bool kNormalizes>
struct GradientWindow {
  Window window{};
  Packed gradient, output, z[4];
  PackedBytes<T> winners;

  __device__ void load(const ValueGradient& work, const Windows& windows, const ChannelGrid& grid, int channel,
                       uint32_t row) {
    if (row >= grid.rows) return;
    window = window_at(windows, row);
    gradient = output = {};
    for (uint32_t& word : winners.word) word = 0xffffffffU;
    if (window.is_whole()) {
      const int64_t pooled = int64_t{window.pooled} * grid.channels + channel;
      gradient = load_packed<T>(work.gradient, pooled);
      winners = load_bytes<T>(work.winners, pooled);
      if (work.behind.values != nullptr) output = load_packed<T>(work.behind.values, pooled);
    }
    if (reads_values<kNormalizes>(work))
      load_window<T>(work.values, windows, window, grid.channels, channel, z);
    else
      for (Packed& vector : z) vector = {};
  }

  // The winners' z; of a window that is not whole, of its first position.
  __device__ void at_winner(int quad, float (&numbers)[4]) const {
    unpack<T>(z[0], quad, numbers);
    for (int i = 1; i < 4; ++i) {
      float candidate[4];
      unpack<T>(z[i], quad, candidate);
      for (int lane = 0; lane < 4; ++lane)
        if (byte_of(winners.word[quad], lane) == i) numbers[lane] = candidate[lane];
    }
  }
};

// ---- Sums ----

template <typename T, bool kNormalizes>
using GradientThreadSums = ThreadSums<T, kNormalizes ? 2 : 1>;

template <typename T, bool kNormalizes>
__device__ inline void add_gradients(const GradientThread<T, kNormalizes>& thread, const ChannelPlace& place,
                                     const float (&z)[4], const float (&gradient)[4], int quad,
                                     GradientThreadSums<T, kNormalizes>& sums) {
  for (int i = 0; i < 4; ++i) sums.of[0][quad][i] += gradient[i];
  if constexpr (kNormalizes) {
    float mean[4];
    thread.constants.load(GradientThread<T, kNormalizes>::kMean, place, quad, mean);
    for (int i = 0; i < 4; ++i) sums.of[1][quad][i] = __fmaf_rn(gradient[i], z[i] - mean[i], sums.of[1][quad][i]);
  }
}

template <typename T, bool kNormalizes>
__device__ inline void write_gradient_sums(const GradientSums& work, const ChannelGrid& grid,
                                           const GradientThreadSums<T, kNormalizes>& sums, float* shared,
                                           float* channel_parts) {
  sum_channels<T>(grid, sums, shared + GradientThread<T, kNormalizes>::kFirstOfCaller * kConstantFloats<T>,
                  channel_parts, [&](int which, int channel, float total) {
                    if (work.sums != nullptr) work.sums[which * grid.channels + channel] = total;
                    if (which == 0 && work.beta_gradient != nullptr) work.beta_gradient[channel] = total;
                    if (which == 1 && work.gamma_gradient != nullptr)
                      work.gamma_gradient[channel] = total * kept_statistics(work.of.map, channel).inverse_deviation;
                  });
}

template <typename T, bool kNormalizes>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor)
    gradient_sums_kernel(GradientSums work, ChannelGrid grid, float* channel_parts) {
  auto* const shared = shared_memory<float>();
  const ChannelPlace place = channel_place<T>(grid);
  GradientRows<T, kNormalizes> read;
  uint32_t row = first_row<kGradientRows>(grid, place);
  read.load(work.of, grid, place.channel, row);
  GradientThread<T, kNormalizes> thread(work.of, place, shared);
  for_tile_channels(place, [&](int channel, int i) { thread.prepare(grid.channels, channel, i); });

  GradientThreadSums<T, kNormalizes> sums;
  while (row < grid.rows) {
    for (int i = 0; i < kGradientRows; ++i) {
      if (row + static_cast<uint32_t>(i * grid.block_rows) >= grid.rows) break;
      for (int quad = 0; quad < kQuads<T>; ++quad) {
        float gradient[4], z[4];
        thread.of_output(read.gradient[i], read.output[i], quad, gradient);
        unpack<T>(read.z[i], quad, z);
        thread.pass_relu(z, quad, gradient);
        add_gradients(thread, place, z, gradient, quad, sums);
      }
    }
    row += row_step<kGradientRows>(grid);
    read.load(work.of, grid, place.channel, row);
  }
  write_gradient_sums<T, kNormalizes>(work, grid, sums, shared, channel_parts);
}

// The grid's rows are whole windows.
template <typename T, bool kNormalizes>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor)
    pooled_gradient_sums_kernel(GradientSums work, Windows windows, ChannelGrid grid, float* channel_parts) {
  auto* const shared = shared_memory<float>();
  const ChannelPlace place = channel_place<T>(grid);
  GradientWindow<T, kNormalizes> read;
  uint32_t row = first_row<1>(grid, place);
  read.load(work.of, windows, grid, place.channel, row);
  GradientThread<T, kNormalizes> thread(work.of, place, shared);
  for_tile_channels(place, [&](int channel, int i) { thread.prepare(grid.channels, channel, i); });

  GradientThreadSums<T, kNormalizes> sums;
  while (row < grid.rows) {
    for (int quad = 0; quad < kQuads<T>; ++quad) {
      float gradient[4], z[4];
      thread.of_output(read.gradient, read.output, quad, gradient);
      read.at_winner(quad, z);
      thread.pass_relu(z, quad, gradient);
      add_gradients(thread, place, z, gradient, quad, sums);
    }
    row += row_step<1>(grid);
    read.load(work.of, windows, grid, place.channel, row);
  }
  write_gradient_sums<T, kNormalizes>(work, grid, sums, shared, channel_parts);
}

template <typename T, bool kNormalizes>
void launch_gradient_sums(const LaunchContext& context, const GradientSums& work) {
  const bool pool = work.of.pool;
  const Windows windows(work.of.input, false);
  const ChannelGrid grid = channel_grid<T>(pool ? windows.count : work.of.input.positions(), work.of.input.channels,
                                           pool ? 1 : kGradientRows, context.multiprocessors);
  const size_t bytes =
                   GradientThread<T, kNormalizes>::kFirstOfCaller * kConstantFloats<T> * sizeof(float) + kSumBytes < T,
               kNormalizes ? 2 : 1 > ;
  if (pool)
    launch(grid.blocks(), dim3(kBlockThreads), bytes, context.stream, pooled_gradient_sums_kernel<T, kNormalizes>, work,
           windows, grid, context.channel_parts);
  else
    launch(grid.blocks(), dim3(kBlockThreads), bytes, context.stream, gradient_sums_kernel<T, kNormalizes>, work, grid,
           context.channel_parts);
}

template <typename T>
void launch_gradient_sums(const LaunchContext& context, const GradientSums& work) {
  if (normalizes(work.of.map))
    launch_gradient_sums<T, true>(context, work);
  else
    launch_gradient_sums<T, false>(context, work);
}

// ---- The gradient of z ----

// What a thread does with g', where the sums are known. Of a map that normalises nothing, g' is the gradient of z, and
// its sum that of the bias.
template <typename T, bool kNormalizes>
class ValuesThread : public GradientThread<T, kNormalizes> {
 public:
  enum Constant { kFromGradient = GradientThread<T, kNormalizes>::kFirstOfCaller, kFromValue, kConstant, kConstants };

  __device__ ValuesThread(const GradientOfValues& work, const ChannelGrid& grid, const ChannelPlace& place,
                          float* shared)
      : GradientThread<T, kNormalizes>(work.of, place, shared), place_(place) {
    for_tile_channels(place, [&](int channel, int i) {
      this->prepare(grid.channels, channel, i);
      if (!kNormalizes) return;
      const GradientTerms terms = gradient_terms(work.of.map, work.sums, work.count, grid.channels, channel);
      this->constants.at(kFromGradient, i) = terms.from_gradient;
      this->constants.at(kFromValue, i) = terms.from_value;
      this->constants.at(kConstant, i) = terms.constant;
    });
  }

  // From the gradient of y to g', with the z that decides.
  __device__ void pass(const float (&z)[4], int quad, float (&gradient)[4]) {
    this->pass_relu(z, quad, gradient);
    if constexpr (!kNormalizes)
      for (int i = 0; i < 4; ++i) sums.of[0][quad][i] += gradient[i];
  }
  // z becomes what the statistics make of its gradient, and g' its own share of it.
  __device__ void through_statistics(int quad, float (&z)[4]) const {
    if constexpr (kNormalizes) {
      float from_value[4], constant[4];
      this->constants.load(kFromValue, place_, quad, from_value);
      this->constants.load(kConstant, place_, quad, constant);
      for (int i = 0; i < 4; ++i) z[i] = __fmaf_rn(z[i], from_value[i], constant[i]);
    } else {
      for (float& number : z) number = 0;
    }
  }
  __device__ void scale(int quad, float (&gradient)[4]) const {
    if constexpr (kNormalizes) {
      float from_gradient[4];
      this->constants.load(kFromGradient, place_, quad, from_gradient);
      for (int i = 0; i < 4; ++i) gradient[i] *= from_gradient[i];
    }
  }

  __device__ void write_bias_gradient(const GradientOfValues& work, const ChannelGrid& grid, float* shared,
                                      float* channel_parts) const {
    if (kNormalizes || work.bias_gradient == nullptr) return;
    sum_channels<T>(grid, sums, shared + kConstants * kConstantFloats<T>, channel_parts,
                    [&](int, int channel, float total) { work.bias_gradient[channel] = total; });
  }

  ThreadSums<T, 1> sums;

 private:
  const ChannelPlace& place_;
};

template <typename T, bool kNormalizes>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor)
    gradient_of_values_kernel(GradientOfValues work, ChannelGrid grid, float* channel_parts) {
  auto* const shared = shared_memory<float>();
  const ChannelPlace place = channel_place<T>(grid);
  GradientRows<T, kNormalizes> read;
  uint32_t row = first_row<kGradientRows>(grid, place);
  read.load(work.of, grid, place.channel, row);
  ValuesThread<T, kNormalizes> thread(work, grid, place, shared);
  while (row < grid.rows) {
    for (int i = 0; i < kGradientRows; ++i) {
      const uint32_t at = row + static_cast<uint32_t>(i * grid.block_rows);
      if (at >= grid.rows) break;
      for (int quad = 0; quad < kQuads<T>; ++quad) {
        float gradient[4], z[4];
        thread.of_output(read.gradient[i], read.output[i], quad, gradient);
        unpack<T>(read.z[i], quad, z);
        thread.pass(z, quad, gradient);
        thread.scale(quad, gradient);
        thread.through_statistics(quad, z);
        for (int lane = 0; lane < 4; ++lane) gradient[lane] += z[lane];
        pack<T>(gradient, quad, read.z[i]);
      }
      store_packed<T>(work.output, int64_t{at} * grid.channels + place.channel, read.z[i]);
    }
    row += row_step<kGradientRows>(grid);
    read.load(work.of, grid, place.channel, row);
  }
  thread.write_bias_gradient(work, grid, shared, channel_parts);
}

// The grid's rows are windows, of which the last may not be whole: their positions have no gradient but the
// statistics'.
template <typename T, bool kNormalizes>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor)
    pooled_gradient_of_values_kernel(GradientOfValues work, Windows windows, ChannelGrid grid, float* channel_parts) {
  auto* const shared = shared_memory<float>();
  const ChannelPlace place = channel_place<T>(grid);
  GradientWindow<T, kNormalizes> read;
  uint32_t row = first_row<1>(grid, place);
  read.load(work.of, windows, grid, place.channel, row);
  ValuesThread<T, kNormalizes> thread(work, grid, place, shared);
  while (row < grid.rows) {
    for (int quad = 0; quad < kQuads<T>; ++quad) {
      float gradient[4], z[4];
      thread.of_output(read.gradient, read.output, quad, gradient);
      if (!read.window.is_whole())
        for (float& of_nothing : gradient) of_nothing = 0;
      read.at_winner(quad, z);
      thread.pass(z, quad, gradient);
      thread.scale(quad, gradient);
      for (int i = 0; i < 4; ++i) {
        unpack<T>(read.z[i], quad, z);
        thread.through_statistics(quad, z);
        for (int lane = 0; lane < 4; ++lane)
          if (byte_of(read.winners.word[quad], lane) == i) z[lane] += gradient[lane];
        pack<T>(z, quad, read.z[i]);
      }
    }
    for (int i = 0; i < 4; ++i)
      if (read.window.has(i))
        store_packed<T>(work.output, window_offset(windows, read.window, i, grid.channels) + place.channel, read.z[i]);
    row += row_step<1>(grid);
    read.load(work.of, windows, grid, place.channel, row);
  }
  thread.write_bias_gradient(work, grid, shared, channel_parts);
}

template <typename T, bool kNormalizes>
void launch_gradient_of_values(const LaunchContext& context, const GradientOfValues& work) {
  const bool pool = work.of.pool;
  const Windows windows(work.of.input, true);
  const ChannelGrid grid = channel_grid<T>(pool ? windows.count : work.of.input.positions(), work.of.input.channels,
                                           pool ? 1 : kGradientRows, context.multiprocessors);
  const size_t bytes = ValuesThread<T, kNormalizes>::kConstants * kConstantFloats<T> * sizeof(float) +
                       (work.bias_gradient != nullptr ? kSumBytes<T, 1> : size_t{0});
  if (pool)
    launch(grid.blocks(), dim3(kBlockThreads), bytes, context.stream, pooled_gradient_of_values_kernel<T, kNormalizes>,
           work, windows, grid, context.channel_parts);
  else
    launch(grid.blocks(), dim3(kBlockThreads), bytes, context.stream, gradient_of_values_kernel<T, kNormalizes>, work,
           grid, context.channel_parts);
}

template <typename T>
void launch_gradient_of_values(const LaunchContext& context, const GradientOfValues& work) {
  if (work.bias_gradient != nullptr && normalizes(work.of.map))
    throw machine_error("a bias's gradient was asked for that a normalisation takes away",
                        "It is zero; gradient_sums() has that of beta.");
  if (work.of.input.images == 0 && work.bias_gradient == nullptr) return;
  if (normalizes(work.of.map))
    launch_gradient_of_values<T, true>(context, work);
  else
    launch_gradient_of_values<T, false>(context, work);
}

}  // namespace fer_ddp::cuda
