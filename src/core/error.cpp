#include "core/error.h"

#include <system_error>

#include "core/text.h"

namespace fer_ddp {

std::string Error::message() const {
  // One line, whatever a file's name that it gives has in it.
  std::string text = "error: " + printable_text(what());
  if (!advice_.empty()) text += "\n  " + advice_;
  return text;
}

std::string errno_text(int error_number) { return std::generic_category().message(error_number); }

}  // namespace fer_ddp
