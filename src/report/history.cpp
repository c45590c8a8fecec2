#include "report/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"
#include "report/csv_fields.h"

namespace fer_ddp {

namespace {

constexpr std::string_view kEpochColumn = "epoch";

struct MetricColumn {
  std::string_view name;
  std::optional<double> HistoryRow::*read;
  double EpochRecord::*recorded;
};

// The columns, in the order in which they are written.
constexpr std::array<MetricColumn, 7> kMetricColumns = {{
    {"loss", &HistoryRow::loss, &EpochRecord::loss},
    {"accuracy", &HistoryRow::accuracy, &EpochRecord::accuracy},
    {"val_loss", &HistoryRow::val_loss, &EpochRecord::val_loss},
    {"val_accuracy", &HistoryRow::val_accuracy, &EpochRecord::val_accuracy},
    {"learning_rate", &HistoryRow::learning_rate, &EpochRecord::learning_rate},
    {"seconds", &HistoryRow::seconds, &EpochRecord::seconds},
    {"images_per_second", &HistoryRow::images_per_second, &EpochRecord::images_per_second},
}};

// Which field of a line holds what.
struct Layout {
  size_t fields = 0;
  std::optional<size_t> epoch;
  std::array<std::optional<size_t>, kMetricColumns.size()> metrics;
};

// Where an error is: "history.csv, line 4, column val_loss".
struct Place {
  const std::string& file;
  int line;

  [[nodiscard]] std::string text() const { return fmt::format("{}, line {}", file, grouped(line)); }
  [[nodiscard]] std::string text(std::string_view column) const { return fmt::format("{}, column {}", text(), column); }
};

std::optional<size_t> find_column(std::span<const std::string> names, std::string_view name, const Place& place) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  if (std::find(found + 1, names.end(), name) != names.end()) {
    throw user_error(fmt::format("{}: two columns are called {}", place.text(), name),
                     "Each column needs a name of its own.");
  }
  return static_cast<size_t>(found - names.begin());
}

Layout read_header(std::string_view line, const Place& place) {
  const std::vector<std::string> names = csv_fields(line);
  Layout layout{.fields = names.size(), .epoch = find_column(names, kEpochColumn, place), .metrics = {}};
  bool any_metric = false;
  for (size_t i = 0; i < kMetricColumns.size(); ++i) {
    layout.metrics[i] = find_column(names, kMetricColumns[i].name, place);
    any_metric = any_metric || layout.metrics[i].has_value();
  }
  if (!any_metric) {
    throw user_error(
        fmt::format("{}: no column is called loss, accuracy, val_loss or val_accuracy", place.text()),
        "Is this a history? Its first line names the columns, as in epoch,loss,accuracy,val_loss,val_accuracy.");
  }
  return layout;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Number number{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<double> read_metric(const std::string& field, std::string_view column, const Place& place) {
  if (field.empty() || field == "NA") return std::nullopt;
  const std::optional<double> value = parse_number<double>(field);
  if (value) return value;
  throw user_error(fmt::format("{}: \"{}\" is not a number", place.text(column), field),
                   "Leave the field empty where the metric is missing, or write nan, inf or a number such as 1.25.");
}

int read_epoch(const std::string& field, const std::vector<HistoryRow>& rows, const Place& place) {
  const std::optional<int> epoch = parse_number<int>(field);
  if (!epoch || *epoch < 0) {
    throw user_error(fmt::format("{}: \"{}\" is not an epoch", place.text(kEpochColumn), field),
                     "Epochs are counted from 0.");
  }
  if (!rows.empty() && *epoch <= rows.back().epoch) {
    throw user_error(fmt::format("{}: epoch {} follows epoch {}", place.text(kEpochColumn), *epoch, rows.back().epoch),
                     "Epochs must rise. Were two histories put into one file?");
  }
  return *epoch;
}

HistoryRow read_row(std::string_view line, const Layout& layout, const std::vector<HistoryRow>& rows,
                    const Place& place) {
  const std::vector<std::string> fields = csv_fields(line);
  if (fields.size() != layout.fields) {
    throw user_error(fmt::format("{}: {} fields, expected {}", place.text(), fields.size(), layout.fields),
                     "Each line has a field for each column of the first line. Was the file cut short?");
  }
  HistoryRow row;
  row.epoch = layout.epoch ? read_epoch(fields[*layout.epoch], rows, place) : static_cast<int>(rows.size());
  for (size_t i = 0; i < kMetricColumns.size(); ++i) {
    const auto& field = layout.metrics[i];
    if (field) row.*kMetricColumns[i].read = read_metric(fields[*field], kMetricColumns[i].name, place);
  }
  return row;
}

// Empty for a metric that is missing, which is another thing than one that is NaN: early stopping passes it over.
std::string field_of(const EpochRecord& record, const MetricColumn& column) {
  const bool of_validation = column.recorded == &EpochRecord::val_loss || column.recorded == &EpochRecord::val_accuracy;
  return of_validation && !record.validated() ? std::string() : metric_text(record.*column.recorded);
}

}  // namespace

std::string history_csv(std::span<const EpochRecord> history) {
  std::string text(kEpochColumn);
  for (const MetricColumn& column : kMetricColumns) text += fmt::format(",{}", column.name);
  text += '\n';
  for (const EpochRecord& record : history) {
    text += fmt::format("{}", record.epoch);
    for (const MetricColumn& column : kMetricColumns) text += ',' + field_of(record, column);
    text += '\n';
  }
  return text;
}

void write_history(const std::filesystem::path& path, std::span<const EpochRecord> history, const PublishCheck& check) {
  write_file_atomically(path, history_csv(history), check);
}

std::vector<HistoryRow> parse_history(std::string_view text, const std::string& name) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::optional<Layout> layout;
  std::vector<HistoryRow> rows;
  for (int line_number = 1; !text.empty(); ++line_number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const Place place{name, line_number};
    if (!layout) {
      layout = read_header(line, place);
    } else {
      rows.push_back(read_row(line, *layout, rows, place));
    }
  }
  if (!layout) throw user_error(fmt::format("{}: is empty, expected a history", name));
  return rows;
}

std::vector<HistoryRow> read_history(const std::filesystem::path& path) {
  return parse_history(read_file(path, kMostTextBytes), path.string());
}

std::vector<EpochRecord> epoch_records(std::span<const HistoryRow> rows) {
  std::vector<EpochRecord> records;
  for (const HistoryRow& row : rows) {
    EpochRecord record{.epoch = row.epoch};
    for (const MetricColumn& column : kMetricColumns) {
      record.*column.recorded = (row.*column.read).value_or(record.*column.recorded);
    }
    records.push_back(record);
  }
  return records;
}

}  // namespace fer_ddp
