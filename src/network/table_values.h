// A table's values, each looked at before it is believed, and the one form in which a table is refused: file, layer,
// what is wrong, and the shape there.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "network/network.h"

namespace fer_ddp {

// Where a reader is.
struct TablePlace {
  std::string layer;   // "3.2"
  std::string kind{};  // once it is known
  FeatureShape shape{};
};

// Every function but the constructor throws Error (the user's fault) where the value is not what it must be; `what`
// names it in the message.
class TableValues {
 public:
  // `where` names the table, and outlives this.
  explicit TableValues(const std::string& where) : where_(where) {}

  [[noreturn]] void refuse_table(const std::string& what, const std::string& advice) const;
  [[noreturn]] void refuse(const TablePlace& place, const std::string& what, const std::string& advice) const;

  struct Bounds {
    double low, high;
    bool low_excluded = false, high_excluded = false;
  };
  [[nodiscard]] int64_t whole(const nlohmann::json& value, const char* what, int64_t low, int64_t high,
                              const TablePlace& place) const;
  [[nodiscard]] double number(const nlohmann::json& value, const char* what, Bounds bounds,
                              const TablePlace& place) const;
  [[nodiscard]] bool truth(const nlohmann::json& value, const char* what, const TablePlace& place) const;
  void require_empty(const nlohmann::json& value, const TablePlace& place) const;
  // That the features there are no row.
  void require_image(const TablePlace& place) const;

 private:
  const std::string& where_;
};

}  // namespace fer_ddp
