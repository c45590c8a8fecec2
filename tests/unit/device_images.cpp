// The images, targets and labels that a device's own kernels train on, against those that the host makes of the same
// recipe (data/share_images.h): to the bit, by the kernels' sources on the host.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/augmentation_options.h"
#include "core/error.h"
#include "network/table.h"
#include "step/device/device_feed.h"
#include "tests/faces.h"
#include "tests/host_kernels.h"

namespace fer_ddp {

namespace {

constexpr int kRows = 9;
constexpr int kBatch = 5;
constexpr int64_t kBatchBegin = 3;  // its first position in the epoch's order
constexpr double kSmoothing = 0.1;
constexpr std::array<uint64_t, 8> kSeeds = {1, 2, 3, 4, 5, 6, 7, 8};
constexpr std::array<int, 2> kEpochs = {0, 4};

struct Recipe {
  const char* name;
  AugmentationOptions options;
};

std::vector<Recipe> recipes() {
  std::vector<Recipe> all = {{"Nothing", {}},
                             {"Flip", {.flip = 0.5}},
                             {"Rotation", {.rotation = 180}},
                             {"Scale", {.scale = 0.9}},
                             {"Aspect", {.aspect = 0.9}},
                             {"Shift", {.shift = 48}},
                             {"Contrast", {.contrast = 1}},
                             {"Brightness", {.brightness = 10}},
                             {"Erase", {.erase_side = 48, .erase_share = 0.7}},
                             {"Mixup", {.mixup = 1}},
                             {"Cutmix", {.cutmix = 1}}};
  Config full;
  full.augment = AugmentPreset::kFull;
  AugmentationOptions everything = augmentation_options(full);
  all.push_back({"Everything", everything});
  everything.mixup = 1;
  everything.cutmix = 1;
  all.push_back({"EverythingMixed", everything});
  return all;
}

// A feed of these faces, as a step has it; its configuration changes images, and the recipe of a share says how.
struct FedFaces {
  Faces faces = Faces::noise(kRows);
  std::vector<int32_t> order = {4, 2, 8, 0, 1, 7, 3, 6, 5};
  Config config{.batch_size = kBatch, .label_smoothing = kSmoothing, .augment = AugmentPreset::kFull};
  std::unique_ptr<Model> model;
  Dataset dataset;
  std::unique_ptr<DeviceFeed> feed;
  StepNumbers numbers{at::kCPU};
  std::unique_ptr<DeviceKernels> kernels = make_host_kernels(Precision::kFp32);

  explicit FedFaces(PixelScale scale) : dataset(dataset_of(faces)) {
    std::fill_n(faces.images.begin() + 2 * kImagePixels, kImagePixels, uint8_t{0});  // two that do not vary
    std::fill_n(faces.images.begin() + 8 * kImagePixels, kImagePixels, uint8_t{77});
    Network network = parse_network(R"({"layers": [{"flatten": {}}, {"dense": 7}]})", "table");
    network.input = scale;
    model = make_model(network, config);
    feed = std::make_unique<DeviceFeed>(dataset, *model, config, std::vector{scale}, at::kCPU, true);
    feed->begin_epoch(0, order);
  }

  // The images at [first, first + count) of the batch.
  [[nodiscard]] BatchShare share(const ImageRecipe& recipe, int epoch, int64_t first, int64_t count) const {
    const auto part = [&](int64_t begin, int64_t size) {
      return std::span(order).subspan(static_cast<size_t>(begin), static_cast<size_t>(size));
    };
    return {.images = faces.images,
            .labels = faces.labels,
            .rows = part(kBatchBegin + first, count),
            .global_images = kBatch,
            .first_position = kBatchBegin + first,
            .batch_position = kBatchBegin,
            .epoch = epoch,
            .batch_rows = part(kBatchBegin, kBatch),
            .recipe = recipe};
  }
};

void expect_as_the_hosts(const ChangedImageFeed& found, const ShareImages& expected) {
  std::vector<float> image(kImagePixels);
  std::array<float, kExpressionCount> target{};
  for (int64_t i = 0; i < expected.count(); ++i) {
    expected.write(i, image.data());
    const float* pixels = found.pixels().const_data_ptr<float>() + i * kImagePixels;
    for (size_t pixel = 0; pixel < image.size(); ++pixel)
      ASSERT_EQ(std::bit_cast<uint32_t>(pixels[pixel]), std::bit_cast<uint32_t>(image[pixel]))
          << "image " << i << ", pixel " << pixel << ": " << pixels[pixel] << " instead of " << image[pixel];
    expected.write_target(i, target.data());
    EXPECT_TRUE(std::equal(target.begin(), target.end(), found.targets() + i * kExpressionCount)) << i;
    EXPECT_EQ(found.labels()[i], expected.label(i)) << i;
  }
}

class DeviceImages : public ::testing::TestWithParam<Recipe> {};
INSTANTIATE_TEST_SUITE_P(All, DeviceImages, ::testing::ValuesIn(recipes()),
                         [](const auto& recipe) { return std::string(recipe.param.name); });

TEST_P(DeviceImages, AreTheHostsToTheBit) {
  for (const PixelScale scale : {PixelScale::kUnit, PixelScale::kStandardizeImage}) {
    FedFaces fed(scale);
    for (const uint64_t seed : kSeeds)
      for (const int epoch : kEpochs)
        // A batch of one rank, the shares of two, and of one that has none.
        for (const auto& [first, count] : std::vector<std::pair<int64_t, int64_t>>{{0, 5}, {0, 2}, {2, 3}, {5, 0}}) {
          SCOPED_TRACE("seed " + std::to_string(seed) + ", epoch " + std::to_string(epoch) + ", from image " +
                       std::to_string(first) + ", scale " + std::to_string(static_cast<int>(scale)));
          const ImageRecipe recipe{.augmentation = GetParam().options, .smoothing_share = 0.5, .seed = seed};
          const BatchShare share = fed.share(recipe, epoch, first, count);
          fed.feed->feed(share, fed.numbers);
          const ChangedImageFeed* changed = fed.feed->changed_images();
          ASSERT_NE(changed, nullptr);
          fed.kernels->change_images(changed->work(count));
          expect_as_the_hosts(*changed, ShareImages(share, scale, kSmoothing));
        }
  }
}

// Half of the batches are blended and half are cut, but for a fifth that is not mixed: the seeds above saw all three.
TEST(DeviceImages, SawBatchesOfEachKind) {
  int unmixed = 0;
  int blended = 0;
  int cut = 0;
  for (const uint64_t seed : kSeeds)
    for (const int epoch : kEpochs) {
      const BatchMixing mixing = draw_batch_mixing(recipes().back().options, seed, epoch, kBatchBegin);
      ++(!mixing.is_on() ? unmixed : mixing.is_cut ? cut : blended);
    }
  EXPECT_GT(unmixed, 0);
  EXPECT_GT(blended, 0);
  EXPECT_GT(cut, 0);
}

// Where a step's work is recorded, it reads the same places for ever.
TEST(DeviceImages, ComeToTheSamePlaceInEachStep) {
  FedFaces fed(PixelScale::kUnit);
  const ImageRecipe recipe{.augmentation = recipes().back().options, .seed = 1};
  fed.feed->feed(fed.share(recipe, 0, 0, kBatch), fed.numbers);
  const ChangedImageFeed& changed = *fed.feed->changed_images();
  const ChangedImages first = changed.work(kBatch);
  const int32_t* labels = changed.labels();
  const float* targets = changed.targets();
  for (int epoch = 1; epoch < 8; ++epoch) {
    fed.feed->begin_epoch(epoch, fed.order);
    fed.feed->feed(fed.share(recipe, epoch, 2, 2), fed.numbers);
    const ChangedImages later = fed.feed->changed_images()->work(kBatch);
    EXPECT_EQ(later.batch, first.batch);
    EXPECT_EQ(later.records, first.records);
    EXPECT_EQ(later.pixels, first.pixels);
    EXPECT_EQ(changed.labels(), labels);
    EXPECT_EQ(changed.targets(), targets);
  }
}

TEST(DeviceImages, AreNoMoreThanThereIsRoomFor) {
  FedFaces fed(PixelScale::kUnit);
  BatchShare share = fed.share({}, 0, 0, kBatch);
  share.rows = fed.order;
  EXPECT_THROW(fed.feed->feed(share, fed.numbers), Error);
}

// A copy that nothing waits for may still read what the steps before have written.
TEST(StepUpload, HasAPlaceForEachStepThatMayBeUnderWay) {
  StepUpload upload(100, at::kCPU);
  std::vector<const uint8_t*> places;
  for (uint8_t step = 0; step < 12; ++step) {
    uint8_t* place = upload.place();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(place) % 64, 0U);
    for (size_t i = 1; i <= std::min<size_t>(places.size(), StepUpload::kMostSteps); ++i)
      EXPECT_GE(std::abs(places[places.size() - i] - place), 100) << "the place of " << i << " steps before";
    std::fill_n(place, 100, step);
    upload.send(50);
    EXPECT_EQ(upload.arrived().const_data_ptr<uint8_t>()[49], step);
    EXPECT_EQ(upload.arrived().const_data_ptr<uint8_t>()[50], 0);
    places.push_back(place);
  }
}

}  // namespace

}  // namespace fer_ddp
