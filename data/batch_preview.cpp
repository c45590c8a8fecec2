#include "data/batch_preview.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/sampler.h"
#include "data/shard_file.h"
#include "data/share_images.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

ImageRowsView part_of(const ImageRowsView& rows, size_t begin, size_t count) {
  return {rows.images.subspan(begin * kImagePixels, count * kImagePixels), rows.labels.subspan(begin, count),
          rows.source_rows.subspan(begin, count)};
}

// How many rows lie side by side from `begin` on.
size_t run_length(std::span<const int32_t> rows, size_t begin) {
  size_t count = 1;
  while (begin + count < rows.size() && rows[begin + count] == rows[begin] + static_cast<int32_t>(count)) ++count;
  return count;
}

// The rows of a shard; `first` is the split's row that is its first.
void read_of_shard(const ShardReader& reader, int64_t first, std::span<const int32_t> rows, const ImageRowsView& into) {
  for (size_t begin = 0, count = 0; begin < rows.size(); begin += count) {
    count = run_length(rows, begin);
    reader.read(Split::kTrain, rows[begin] - first, part_of(into, begin, count));
  }
}

// Some rows of the training split, which stand ascending, by a batch's order.
struct Batch {
  ImageRows images;
  std::vector<int32_t> order;  // the row at each place
};

Batch read_first_batch(const TrainingRows& rows, const Config& config, int epoch) {
  const PositionRange range = global_batch(rows.count, config.batch_size, 0);
  const std::vector<int32_t> order =
      epoch_order(rows.count, config.shuffle, static_cast<uint64_t>(config.random_seed), epoch);
  std::vector<int32_t> ascending(order.begin() + range.begin, order.begin() + range.end);
  std::sort(ascending.begin(), ascending.end());
  Batch batch{ImageRows(range.size()), {}};
  rows.read(ascending, batch.images.first(range.size()));
  for (int64_t place = range.begin; place < range.end; ++place)
    batch.order.push_back(static_cast<int32_t>(
        std::lower_bound(ascending.begin(), ascending.end(), order[static_cast<size_t>(place)]) - ascending.begin()));
  return batch;
}

}  // namespace

TrainingRows training_rows(const fs::path& shards, const Manifest& manifest) {
  const auto read = [shards, manifest](std::span<const int32_t> rows, const ImageRowsView& into) {
    size_t begin = 0;
    for (int shard = 0; shard < manifest.shard_count(); ++shard) {
      const PositionRange range = shard_rows(manifest.rows(Split::kTrain), shard, manifest.shard_count());
      size_t end = begin;
      while (end < rows.size() && rows[end] < range.end) ++end;
      if (end > begin)
        read_of_shard(ShardReader(shards, manifest, shard), range.begin, rows.subspan(begin, end - begin),
                      part_of(into, begin, end - begin));
      begin = end;
    }
  };
  return {manifest.rows(Split::kTrain), read};
}

TrainingRows training_rows(const Importer& importer, const std::vector<int32_t>& source_rows) {
  const auto read = [&importer, source_rows](std::span<const int32_t> rows, const ImageRowsView& into) {
    std::transform(rows.begin(), rows.end(), into.source_rows.begin(),
                   [&](int32_t row) { return source_rows[static_cast<size_t>(row)]; });
    importer.reader()->read(into.source_rows, into.images, into.labels);
  };
  return {static_cast<int64_t>(source_rows.size()), read};
}

BatchPreview preview_first_batch(const TrainingRows& rows, const Config& config, PixelScale scale, int epoch,
                                 int64_t images) {
  const Batch batch = read_first_batch(rows, config, epoch);
  const size_t shown = std::min(batch.order.size(), static_cast<size_t>(images));
  const BatchShare share{.images = batch.images.images,
                         .labels = batch.images.labels,
                         .rows = std::span(batch.order).first(shown),
                         .global_images = static_cast<int64_t>(batch.order.size()),
                         .epoch = epoch,
                         .batch_rows = batch.order,
                         .recipe = image_recipe(config, epoch)};
  const ShareImages changed(share, scale, config.label_smoothing);
  BatchPreview preview{.stored = std::vector<BatchPreview::Image>(shown),
                       .seen = std::vector<BatchPreview::Image>(shown),
                       .batch_images = share.global_images,
                       .mixing = changed.mixing()};
  std::vector<float> values(kImagePixels);
  for (size_t i = 0; i < shown; ++i) {
    std::copy_n(share.images.begin() + int64_t{share.rows[i]} * kImagePixels, kImagePixels, preview.stored[i].begin());
    changed.write(static_cast<int64_t>(i), values.data());
    std::transform(values.begin(), values.end(), preview.seen[i].begin(),
                   [scale](float value) { return grey_of(scale, value); });
  }
  return preview;
}

uint8_t grey_of(PixelScale scale, float value) {
  const double share = scale == PixelScale::kStandardizeImage ? 0.5 + static_cast<double>(value) / (2 * kGreyReach)
                                                              : static_cast<double>(value);
  return static_cast<uint8_t>(std::lround(255 * std::clamp(share, 0.0, 1.0)));
}

std::string change_words(const ImageRecipe& recipe, const BatchMixing& mixing) {
  std::string words = augmentation_words(recipe.augmentation);
  if (!mixing.is_on()) return words;
  const double percent = 100 * (1 - static_cast<double>(mixing.weight));
  return words +
         (mixing.is_cut
              ? fmt::format("; in this batch {:.3g} % of each image, a rectangle, is of the image before it", percent)
              : fmt::format("; in this batch each image is blended with {:.3g} % of the image before it", percent));
}

}  // namespace fer_ddp
