#include "status/grpc_log.h"

#include <grpc/support/log.h>

#include <cstdlib>

namespace fer_ddp {

void quieten_grpc() {
  if (std::getenv("GRPC_VERBOSITY") != nullptr) return;
  gpr_set_log_verbosity(static_cast<gpr_log_severity>(GPR_LOG_SEVERITY_ERROR + 1));
}

}  // namespace fer_ddp
