// What people see of a run in the terminal: one line redrawn in place while an epoch is going on, and one line that
// stays for each finished epoch. The texts are pure functions; ProgressLine alone touches the terminal. Rank 0 alone,
// one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

#include "core/epoch_record.h"
#include "core/standard_streams.h"

namespace fer_ddp {

// Where a run is. Epochs and steps from 0, as everywhere but in text.
struct Progress {
  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

  int epoch = 0;
  int epochs = 0;
  int64_t steps_done = 0;  // of this epoch
  int64_t steps = 0;
  double loss = kUnknown;      // mean so far in this epoch
  double accuracy = kUnknown;  // share so far in this epoch
  double images_per_second = kUnknown;
  double seconds_left = kUnknown;  // until the run's last epoch, if nothing stops it before
};

// "epoch 3/50  step 120/197  loss 1.4321  accuracy 0.4520  2,345 images/s  3 min 20 s left", in at most `width`
// columns: what does not fit is left out from the right, as is what is unknown.
[[nodiscard]] std::string progress_text(const Progress& progress, int width);

// "epoch 3/50  loss 1.4321  accuracy 0.4520  val_loss 1.3900  val_accuracy 0.4710  lr 0.001  2,345 images/s  12 s  *
// best".
[[nodiscard]] std::string epoch_text(const EpochRecord& record, int epochs, bool is_best);

class ProgressLine {
 public:
  using Clock = std::chrono::steady_clock;

  // Draws on `messages` if `wanted` and it is a terminal, else does nothing. What is said there meanwhile wipes the
  // line first; the next show() draws it anew.
  ProgressLine(MessageStream& messages, bool wanted) : messages_(messages), active_(wanted && messages.is_terminal()) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Whether it is time to draw again: at most eight times a second. To be asked before numbers are gathered that cost
  // something.
  [[nodiscard]] bool due(Clock::time_point now = Clock::now()) const;

  // Draws, if due.
  void show(const Progress& progress, Clock::time_point now = Clock::now());

  // Wipes the line, so that something else can be written in its place.
  void clear() { messages_.wipe(); }

 private:
  MessageStream& messages_;
  bool active_;
  Clock::time_point next_;
};

}  // namespace fer_ddp
