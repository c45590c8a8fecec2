// Between the plain structures and the messages of status.proto. Inside this room alone: no public header shows
// protobuf.
#pragma once

#include <string>
#include <vector>

#include "fer_ddp/v1/status.pb.h"
#include "status/snapshot.h"

namespace fer_ddp {

void fill_message(const StatusSnapshot& snapshot, v1::Status& message);
void fill_message(const std::vector<EpochRecord>& history, v1::History& message);
[[nodiscard]] EpochRecord record_of(const v1::EpochMetrics& message);
[[nodiscard]] StatusSnapshot snapshot_of(const v1::Status& message);

// Proto3 JSON on one line, with the proto's own field names and default values.
[[nodiscard]] std::string message_json(const google::protobuf::Message& message);

}  // namespace fer_ddp
