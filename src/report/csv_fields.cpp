#include "report/csv_fields.h"

namespace fer_ddp {

namespace {

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes off the quotes around a field, and one of each two inside.
std::string unquoted(std::string_view field) {
  if (field.size() < 2 || !field.starts_with('"') || !field.ends_with('"')) return std::string(field);
  std::string text;
  for (size_t i = 1; i + 1 < field.size(); ++i) {
    text += field[i];
    if (field[i] == '"' && field[i + 1] == '"' && i + 2 < field.size()) ++i;
  }
  return text;
}

}  // namespace

std::vector<std::string> csv_fields(std::string_view line) {
  std::vector<std::string> fields;
  size_t start = 0;
  bool in_quotes = false;
  for (size_t at = 0; at <= line.size(); ++at) {
    const bool at_end = at == line.size();
    if (!at_end && line[at] == '"') in_quotes = !in_quotes;
    if (at_end || (line[at] == ',' && !in_quotes)) {
      fields.push_back(unquoted(trimmed(line.substr(start, at - start))));
      start = at + 1;
    }
  }
  return fields;
}

}  // namespace fer_ddp
