// The columns of a CSV file, found by their names in its header, and the fields of a row. Quoted fields are understood
// as far as this format needs: no commas or line ends within quotes. Pure functions.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "data/pixel_text.h"
#include "data/split.h"

namespace fer_ddp {

// Positions from 0. Columns of other names may stand between them and are not looked at.
struct CsvColumns {
  int count = 0;
  int emotion = -1;
  int pixels = -1;
  int usage = -1;      // -1: there is none
  std::string header;  // the names, for errors: "emotion,pixels,Usage"
};

// `header` is the file's first line, without its line end. Throws Error (the user's fault) naming `path` where a column
// is missing.
[[nodiscard]] CsvColumns parse_csv_header(std::string_view header, const std::filesystem::path& path);

// A row's fields, without the blanks and quotes around them. Views into the row.
struct CsvFields {
  std::string_view emotion;
  std::string_view pixels;
  std::string_view usage;
};

// False where the row has too few columns. Too many show as commas among the pixels.
[[nodiscard]] bool split_csv_row(std::string_view row, const CsvColumns& columns, CsvFields& fields);

// A row without its line end and the blanks and blank lines after it.
[[nodiscard]] std::string_view without_line_end(std::string_view row);

// The label, or -1 where it is not one.
[[nodiscard]] int parse_label(std::string_view text);

// False where `text` is none of Training, PublicTest, PrivateTest.
[[nodiscard]] bool parse_usage(std::string_view text, Split& split);

// The whole row, thoroughly: returns what is wrong with it, nothing where label and image are now set.
[[nodiscard]] std::string parse_csv_row(std::string_view row, const CsvColumns& columns, uint8_t& label, Image image);

}  // namespace fer_ddp
