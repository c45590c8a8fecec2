// A run's predictions.csv. What is taken is written as a run would write it and read again.
#include "report/predictions.h"

#include "tests/fuzz/reader.h"

using namespace fer_ddp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  is_taken([&] {
    const std::vector<TestPrediction> predictions = parse_predictions(text_of(data, size), "predictions.csv");
    const std::string written = predictions_csv(predictions);
    const std::vector<TestPrediction> again = parse_predictions(written, "again");
    require(again.size() == predictions.size(), "lines are lost");
    require(predictions_csv(again) == written, "does not read back as it was");
    require(same_images(predictions, again), "the images are others");
  });
  return 0;
}
