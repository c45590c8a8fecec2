// What may be chosen by words in a configuration: an enum for each such key, and in one place the word of each of its
// values. Option table, messages, schema and README take the words from here; code compares values. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace fer_ddp {

enum class Loss : uint8_t { kCategoricalCrossentropy };
enum class OptimizerRule : uint8_t { kAdam, kAdamW, kSgd, kMuon };
enum class Monitor : uint8_t { kValidationLoss, kValidationAccuracy };
enum class ScheduleShape : uint8_t { kConstant, kCosine, kOneCycle };
enum class SplitRule : uint8_t {
  kSeed,  // by position: train is the first floor(0.7 N) rows, test the last floor(0.1 N), validation what lies between
  kOfficial,  // by the Usage column: Training, PublicTest, PrivateTest
};
enum class BatchNormScope : uint8_t { kGlobal, kLocal };
enum class AugmentPreset : uint8_t { kNone, kMild, kFull };
enum class TestViews : uint8_t {
  kNone,     // the image itself
  kFlip,     // and its mirror image
  kViews18,  // shifts of -3, 0 and 3 pixels down and across, each as it is and mirrored
};
enum class DeviceChoice : uint8_t { kAuto, kCpu, kCuda };
enum class Precision : uint8_t { kFp32, kTf32, kBf16 };
enum class ConvolutionChoice : uint8_t { kAuto, kOwn, kCudnn };
enum class GradientAllReduce : uint8_t { kFp32, kBf16 };
enum class StepChoice : uint8_t { kAuto, kAutograd, kFused };

// The words of a choice, in the order of its values; which value is given does not matter.
constexpr auto choice_words(Loss) { return std::to_array<std::string_view>({"categorical_crossentropy"}); }
constexpr auto choice_words(OptimizerRule) { return std::to_array<std::string_view>({"Adam", "AdamW", "SGD", "Muon"}); }
constexpr auto choice_words(Monitor) { return std::to_array<std::string_view>({"val_loss", "val_accuracy"}); }
constexpr auto choice_words(ScheduleShape) {
  return std::to_array<std::string_view>({"constant", "cosine", "one_cycle"});
}
constexpr auto choice_words(SplitRule) { return std::to_array<std::string_view>({"seed", "official"}); }
constexpr auto choice_words(BatchNormScope) { return std::to_array<std::string_view>({"global", "local"}); }
constexpr auto choice_words(AugmentPreset) { return std::to_array<std::string_view>({"none", "mild", "full"}); }
constexpr auto choice_words(TestViews) { return std::to_array<std::string_view>({"none", "flip", "views18"}); }
constexpr auto choice_words(DeviceChoice) { return std::to_array<std::string_view>({"auto", "cpu", "cuda"}); }
constexpr auto choice_words(Precision) { return std::to_array<std::string_view>({"fp32", "tf32", "bf16"}); }
constexpr auto choice_words(ConvolutionChoice) { return std::to_array<std::string_view>({"auto", "own", "cudnn"}); }
constexpr auto choice_words(GradientAllReduce) { return std::to_array<std::string_view>({"fp32", "bf16"}); }
constexpr auto choice_words(StepChoice) { return std::to_array<std::string_view>({"auto", "autograd", "fused"}); }

template <typename T>
concept Choice = std::is_enum_v<T> && requires(T value) {
  choice_words(value);
};

template <Choice T>
[[nodiscard]] std::string choice_word(T value) {
  return std::string(choice_words(value).at(static_cast<size_t>(value)));
}

template <Choice T>
[[nodiscard]] std::optional<T> choice_of(std::string_view word) {
  constexpr auto kWords = choice_words(T{});
  const auto found = std::find(kWords.begin(), kWords.end(), word);
  if (found == kWords.end()) return std::nullopt;
  return static_cast<T>(found - kWords.begin());
}

}  // namespace fer_ddp
