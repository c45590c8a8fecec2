#include "launcher/training_data.h"

#include <fmt/format.h>

#include "core/error.h"

namespace fer_ddp {

void require_data(const Config& config) {
  if (config.data.empty())
    throw user_error("data is not set",
                     "Give the config a data key, or --set data=fer2013.csv (or a folder of shards).");
}

void require_training_rows(int64_t rows, const Config& config) {
  if (rows == 0)
    throw user_error(fmt::format("{}: the training split is empty", config.data),
                     "Preprocess an input with more rows.");
}

void require_split_rule(const Manifest& manifest, const Config& config) {
  if (manifest.split_rule != config.split)
    throw user_error(fmt::format("{}: the shards are split by the rule {}, the config says {}", config.data,
                                 choice_word(manifest.split_rule), choice_word(config.split)),
                     "Preprocess again with --split, or set split in the config.");
}

}  // namespace fer_ddp
