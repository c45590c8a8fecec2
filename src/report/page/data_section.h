// What the model learnt from: sample faces, and how many images of each expression there are, which gives the majority
// baseline that every result is held against. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "report/page/template.h"
#include "report/report_run.h"

namespace fer_ddp {

[[nodiscard]] Html data_section(const ReportRun& run);

// Images beside what augmentation makes of them; empty where there is no such picture.
[[nodiscard]] Html seen_section(const ReportRun& run);

// Always guessing one class: the largest of the training images, and how often that is right on a split's images.
struct MajorityBaseline {
  std::string_view class_name;
  double accuracy = 0;
};

enum class BaselineOf { kValidation, kTest };

// Where the class counts are unknown, the test evaluation tells them; none if there is neither.
[[nodiscard]] std::optional<MajorityBaseline> majority_baseline(const ReportRun& run, BaselineOf split);

}  // namespace fer_ddp
