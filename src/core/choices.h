// What may be chosen by words in a configuration: an enum for each such key, and in one place the word of each of its
// values. Option table, messages, schema and README take the words from here; code compares values. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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
enum class Precision : uint8_t { kFp32, kBf16 };
enum class StepChoice : uint8_t { kAuto, kAutograd, kFused };

// kWords: in the order of the values.
template <typename Choice>
struct ChoiceWords;
template <>
struct ChoiceWords<Loss> {
  static constexpr std::array<std::string_view, 1> kWords = {"categorical_crossentropy"};
};
template <>
struct ChoiceWords<OptimizerRule> {
  static constexpr std::array<std::string_view, 4> kWords = {"Adam", "AdamW", "SGD", "Muon"};
};
template <>
struct ChoiceWords<Monitor> {
  static constexpr std::array<std::string_view, 2> kWords = {"val_loss", "val_accuracy"};
};
template <>
struct ChoiceWords<ScheduleShape> {
  static constexpr std::array<std::string_view, 3> kWords = {"constant", "cosine", "one_cycle"};
};
template <>
struct ChoiceWords<SplitRule> {
  static constexpr std::array<std::string_view, 2> kWords = {"seed", "official"};
};
template <>
struct ChoiceWords<BatchNormScope> {
  static constexpr std::array<std::string_view, 2> kWords = {"global", "local"};
};
template <>
struct ChoiceWords<AugmentPreset> {
  static constexpr std::array<std::string_view, 3> kWords = {"none", "mild", "full"};
};
template <>
struct ChoiceWords<TestViews> {
  static constexpr std::array<std::string_view, 3> kWords = {"none", "flip", "views18"};
};
template <>
struct ChoiceWords<DeviceChoice> {
  static constexpr std::array<std::string_view, 3> kWords = {"auto", "cpu", "cuda"};
};
template <>
struct ChoiceWords<Precision> {
  static constexpr std::array<std::string_view, 2> kWords = {"fp32", "bf16"};
};
template <>
struct ChoiceWords<StepChoice> {
  static constexpr std::array<std::string_view, 3> kWords = {"auto", "autograd", "fused"};
};

template <typename T>
concept Choice = requires {
  ChoiceWords<T>::kWords.size();
};

template <Choice T>
[[nodiscard]] std::string choice_word(T value) {
  return std::string(ChoiceWords<T>::kWords.at(static_cast<size_t>(value)));
}

template <Choice T>
[[nodiscard]] std::optional<T> choice_of(std::string_view word) {
  const auto& words = ChoiceWords<T>::kWords;
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return std::nullopt;
  return static_cast<T>(found - words.begin());
}

}  // namespace fer_ddp
