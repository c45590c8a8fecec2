// One training run's configuration: flat JSON, every key declared once in option_table.cpp with its type, range and
// help, its default being the initial value here. The first 13 keys are the seed study's own table. A plain value: copy
// it freely.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/choices.h"

namespace fer_ddp {

struct Config {
  double learning_rate = 0.001;
  Loss loss = Loss::kCategoricalCrossentropy;
  int epochs = 50;
  int batch_size = 128;  // the global batch, over all ranks
  std::optional<int> early_stopping_patience = 7;
  std::optional<int> lr_patience = 5;
  double lr_reduction_factor = 0.1;
  OptimizerRule optimizer = OptimizerRule::kAdam;
  int num_classes = 7;
  std::vector<int> input_shape = {48, 48, 1};  // height, width, channels
  bool shuffle = true;
  bool restore_best_weights = true;

  Monitor monitor = Monitor::kValidationLoss;
  double early_stopping_min_delta = 0.0;
  int early_stopping_start_from_epoch = 0;
  double lr_min_delta = 1e-4;
  int lr_cooldown = 0;
  double min_learning_rate = 0.0;
  ScheduleShape schedule = ScheduleShape::kConstant;
  double warm_up_epochs = 0.0;
  double final_learning_rate = 0.0;
  bool terminate_on_nan = true;

  std::string name{};    // empty: the config file's stem
  std::string output{};  // empty: runs/NAME
  std::string data{};    // a folder of shards, or an input file
  SplitRule split = SplitRule::kSeed;

  std::string model = "seed_cnn";
  std::optional<double> dropout{};  // none: the table's own
  std::string init = "glorot_uniform";
  BatchNormScope batch_norm = BatchNormScope::kGlobal;
  double label_smoothing = 0.0;
  double momentum = 0.0;
  bool nesterov = false;
  std::optional<double> weight_decay{};  // none: AdamW's is 0.004, all others' 0
  bool decay_biases = true;
  std::optional<double> gradient_clip_norm{};
  double other_learning_rate = 0.05;
  double other_momentum = 0.85;
  double other_weight_decay = 5e-4;
  std::optional<double> average_weights{};
  int64_t random_seed = 0;

  AugmentPreset augment = AugmentPreset::kNone;  // a preset; a number below takes the place of its own
  std::optional<double> augment_flip{};          // see AugmentationOptions
  std::optional<double> augment_rotation{};
  std::optional<double> augment_scale{};
  std::optional<double> augment_aspect{};
  std::optional<double> augment_shift{};
  std::optional<double> augment_contrast{};
  std::optional<double> augment_brightness{};
  std::optional<double> augment_erase_side{};
  std::optional<double> augment_erase_share{};
  std::optional<double> augment_mixup{};
  std::optional<double> augment_cutmix{};
  int finish_epochs = 0;
  std::vector<std::string> distill_from{};  // folders of runs
  double distill_weight = 0.5;
  double distill_temperature = 1.0;
  TestViews test_time_augmentation = TestViews::kNone;
  std::string comment{};

  DeviceChoice device = DeviceChoice::kAuto;
  Precision precision = Precision::kFp32;
  ConvolutionChoice convolutions = ConvolutionChoice::kAuto;
  GradientAllReduce gradient_all_reduce = GradientAllReduce::kFp32;
  StepChoice step = StepChoice::kAuto;
  bool cuda_graph = true;
  int threads = 0;
  double collective_timeout_seconds = 300.0;

  std::optional<int> checkpoint_every_epochs = 1;
  std::optional<double> checkpoint_every_seconds = 600.0;
  int keep_checkpoints = 2;

  std::optional<std::string> status_address = "127.0.0.1:0";
  std::optional<std::string> status_tls_certificate{};
  std::optional<std::string> status_tls_key{};
  std::optional<std::string> status_tls_client_ca{};
  std::optional<std::string> status_token_file{};
  std::optional<std::string> metrics_address{};
  bool metrics_in_the_clear = false;
};

// Reads `path`, applies `overrides` ("key=value", a later one wins) and fills in name and output. Throws Error (the
// user's fault) naming key, file and, for an unknown key, the nearest known one. Texts are in UTF-8, as config.json is.
// Whether `data` is there is for the reader of the data to say.
[[nodiscard]] Config load_config(const std::filesystem::path& path, const std::vector<std::string>& overrides = {});

// The same from text that was read elsewhere; `path` is what errors call it, and where an unnamed run has its name
// from.
[[nodiscard]] Config parse_config(std::string_view text, const std::filesystem::path& path,
                                  const std::vector<std::string>& overrides = {});

// The resolved configuration, every key present, in the table's order. load_config reads it back unchanged.
[[nodiscard]] nlohmann::ordered_json config_to_json(const Config& config);

// JSON Schema (draft 2020-12) of a configuration file.
[[nodiscard]] nlohmann::ordered_json config_schema();

// The options as a Markdown table, for the README.
[[nodiscard]] std::string config_table_markdown();

}  // namespace fer_ddp
