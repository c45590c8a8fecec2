#include "data/csv_row.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.h"

namespace fer_ddp {

namespace {

constexpr std::string_view kBlanks = " \t";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::string_view unquoted(std::string_view text) {
  text = trimmed(text);
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return text;
  return trimmed(text.substr(1, text.size() - 2));
}

std::vector<std::string_view> names_in(std::string_view header) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (header.starts_with(kByteOrderMark)) header.remove_prefix(kByteOrderMark.size());
  std::vector<std::string_view> names;
  for (size_t comma = header.find(','); comma != std::string_view::npos; comma = header.find(',')) {
    names.push_back(unquoted(header.substr(0, comma)));
    header.remove_prefix(comma + 1);
  }
  names.push_back(unquoted(header));
  return names;
}

int position_of(std::string_view name, const std::vector<std::string_view>& names) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

}  // namespace

CsvColumns parse_csv_header(std::string_view header, const std::filesystem::path& path) {
  header = without_line_end(header);
  const std::vector<std::string_view> names = names_in(header);
  CsvColumns columns{.count = static_cast<int>(names.size()),
                     .emotion = position_of("emotion", names),
                     .pixels = position_of("pixels", names),
                     .usage = position_of("Usage", names),
                     .header = excerpt(fmt::format("{}", fmt::join(names, ",")), 80)};
  if (columns.pixels >= 0 && columns.emotion >= 0) return columns;
  if (columns.pixels >= 0) {
    throw user_error(fmt::format("{}: has pixels but no emotion column, so its images are not labelled", path.string()),
                     "Training needs labels. Give fer2013.csv, icml_face_data.csv or a labelled train.csv instead.");
  }
  throw user_error(
      fmt::format("{}: its first line does not name the columns emotion and pixels: \"{}\"", path.string(),
                  excerpt(header, 80)),
      "Expected fer2013.csv, icml_face_data.csv or train.csv, plain or gzipped, with the header emotion,pixels,Usage.");
}

std::string_view without_line_end(std::string_view row) {
  const size_t last = row.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? std::string_view{} : row.substr(0, last + 1);
}

bool split_csv_row(std::string_view row, const CsvColumns& columns, CsvFields& fields) {
  const auto keep = [&](int column, std::string_view text) {
    if (column == columns.emotion) fields.emotion = unquoted(text);
    if (column == columns.usage) fields.usage = unquoted(text);
  };
  for (int column = 0; column < columns.pixels; ++column) {  // from the front up to the pixels, the one long field,
    const size_t comma = row.find(',');
    if (comma == std::string_view::npos) return false;
    keep(column, row.substr(0, comma));
    row.remove_prefix(comma + 1);
  }
  for (int column = columns.count - 1; column > columns.pixels; --column) {  // and from the back down to them
    const size_t comma = row.rfind(',');
    if (comma == std::string_view::npos) return false;
    keep(column, row.substr(comma + 1));
    row = row.substr(0, comma);
  }
  fields.pixels = unquoted(row);
  return true;
}

int parse_label(std::string_view text) {
  const bool is_label = text.size() == 1 && text[0] >= '0' && text[0] < '0' + kExpressionCount;
  return is_label ? text[0] - '0' : -1;
}

bool parse_usage(std::string_view text, Split& split) {
  if (text == "Training") return split = Split::kTrain, true;
  if (text == "PublicTest") return split = Split::kValidation, true;
  if (text == "PrivateTest") return split = Split::kTest, true;
  return false;
}

std::string parse_csv_row(std::string_view row, const CsvColumns& columns, uint8_t& label, Image image) {
  row = without_line_end(row);
  CsvFields fields;
  const bool enough = split_csv_row(row, columns, fields);
  if (!enough || fields.pixels.find(',') != std::string_view::npos) {
    const auto found = std::count(row.begin(), row.end(), ',') + 1;
    return fmt::format("{} {}, expected {}", found, found == 1 ? "column" : "columns", columns.count);
  }
  const int value = parse_label(fields.emotion);
  if (value < 0)
    return fmt::format("emotion is \"{}\", expected 0 to {}", excerpt(fields.emotion), kExpressionCount - 1);
  label = static_cast<uint8_t>(value);
  if (Split ignored{}; columns.usage >= 0 && !parse_usage(fields.usage, ignored))
    return fmt::format("Usage is \"{}\", expected Training, PublicTest or PrivateTest", excerpt(fields.usage));
  return parse_pixels(fields.pixels, image);
}

}  // namespace fer_ddp
