// A world of one: every collective is the identity.
#pragma once

#include <memory>

#include "comm/communicator.h"

namespace fer_ddp {

[[nodiscard]] std::unique_ptr<Communicator> make_identity_communicator();

}  // namespace fer_ddp
