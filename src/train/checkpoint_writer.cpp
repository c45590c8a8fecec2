#include "train/checkpoint_writer.h"

#include <chrono>
#include <utility>

namespace fer_ddp {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

void CheckpointWriter::take(const Checkpointed& parts) {
  const Clock::time_point begin = Clock::now();
  writer_.finish();  // and with it the copy's memory is free
  waiting_seconds_ += seconds_since(begin);
  const Clock::time_point idle = Clock::now();
  CheckpointContent content = encode_checkpoint(parts, memory_);
  copying_seconds_ += seconds_since(idle);
  writer_.add([folder = folder_, epoch = parts.state.epoch, step = parts.state.step, content = std::move(content),
               written = written_] {
    const Clock::time_point start = Clock::now();
    folder.write(epoch, step, content);
    ++written->count;
    written->seconds += seconds_since(start);
  });
}

CheckpointTimes CheckpointWriter::times() const {
  return {.count = written_->count,
          .waiting_seconds = waiting_seconds_,
          .copying_seconds = copying_seconds_,
          .writing_seconds = written_->seconds};
}

}  // namespace fer_ddp
