#include "core/error.h"

#include <system_error>

namespace fer_ddp {

std::string Error::message() const {
  std::string text = std::string("error: ") + what();
  if (!advice_.empty()) text += "\n  " + advice_;
  return text;
}

std::string errno_text(int error_number) { return std::generic_category().message(error_number); }

}  // namespace fer_ddp
