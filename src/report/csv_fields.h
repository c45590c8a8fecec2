// One line of comma-separated values, cut into its fields: blanks around a field are dropped, and a field in double
// quotes may hold commas and doubled quotes (RFC 4180, less line breaks inside quotes). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fer_ddp {

[[nodiscard]] std::vector<std::string> csv_fields(std::string_view line);

}  // namespace fer_ddp
