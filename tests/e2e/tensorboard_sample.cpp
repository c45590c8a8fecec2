// Writes what a run of five epochs that is stopped and resumed leaves in the folder named on the command line: epochs 0
// to 2, then, from a checkpoint of epoch 1, epochs 2 to 4. read_tensorboard checks what TensorBoard makes of it.
#include <string>

#include "report/confusion_picture.h"
#include "report/tensorboard.h"

namespace {

// A loss that tells which of the two starts wrote it.
fer_ddp::EpochRecord record(int epoch, double offset) {
  return {.epoch = epoch,
          .loss = 2.0 - 0.25 * epoch + offset,
          .accuracy = 0.25 + 0.0625 * epoch,
          .val_loss = 1.75 - 0.125 * epoch + offset,
          .val_accuracy = 0.25 + 0.03125 * epoch,
          .learning_rate = 0.001,
          .seconds = 1.0,
          .images_per_second = 1000.0 + epoch};
}

void write_epochs(const std::string& folder, int first, int last, double offset) {
  fer_ddp::TensorBoardWriter writer(folder, first);
  for (int epoch = first; epoch <= last; ++epoch) writer.add_epoch(record(epoch, offset));
}

// Of ten images of each expression, all taken for the next one.
std::string confusion() {
  fer_ddp::Evaluation evaluation{.loss = 2.0, .images = 70};
  for (size_t label = 0; label < 7; ++label) evaluation.confusion[label][(label + 1) % 7] = 10;
  return fer_ddp::confusion_png(evaluation);
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 2) return 2;
  write_epochs(arguments[1], 0, 2, 8.0);
  write_epochs(arguments[1], 2, 4, 0.0);
  fer_ddp::TensorBoardWriter(arguments[1], 5).add_picture("confusion/test", 4, confusion());
}
