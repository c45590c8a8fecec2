// history.csv: one line an epoch. It is rewritten as a whole, atomically, so that a reader never sees half a line and a
// resumed run starts from exactly what its checkpoint remembers. Reading takes any order of columns and leaves other
// columns alone, so that the files of other trainers (Keras' CSVLogger) can be read as well.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/epoch_record.h"

namespace fer_ddp {

// One line as read: a metric that is empty ("" or "NA"), or has no column, is missing; one that says "nan" is NaN.
struct HistoryRow {
  int epoch = 0;  // from 0
  std::optional<double> loss{};
  std::optional<double> accuracy{};
  std::optional<double> val_loss{};
  std::optional<double> val_accuracy{};
  std::optional<double> learning_rate{};
  std::optional<double> seconds{};
  std::optional<double> images_per_second{};
};

// An epoch that was not validated has empty fields for its two validation metrics.
[[nodiscard]] std::string history_csv(std::span<const EpochRecord> history);

// Puts history_csv() in place of what stood at `path`.
void write_history(const std::filesystem::path& path, std::span<const EpochRecord> history,
                   const PublishCheck& check = {});

// Throws Error (the user's fault) naming file, line and column. Epochs must rise; without such a column, lines count
// from 0.
[[nodiscard]] std::vector<HistoryRow> read_history(const std::filesystem::path& path);

// The same from text that was read elsewhere; `name` is what errors call it.
[[nodiscard]] std::vector<HistoryRow> parse_history(std::string_view text, const std::string& name);

// What is missing becomes EpochRecord::kMissing, or 0 for the learning rate and the two that measure time.
[[nodiscard]] std::vector<EpochRecord> epoch_records(std::span<const HistoryRow> rows);

}  // namespace fer_ddp
