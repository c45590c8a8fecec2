// How the report looks: its CSS, for screen (light and dark) and paper.
#pragma once

#include <string_view>

namespace fer_ddp {

[[nodiscard]] std::string_view style_sheet();

}  // namespace fer_ddp
