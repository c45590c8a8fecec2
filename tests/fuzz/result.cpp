// A run's result.json, as reports and `fer-ddp status` read it.
#include "core/json_reader.h"
#include "core/run_result.h"
#include "tests/fuzz/reader.h"

using namespace fer_ddp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nlohmann::ordered_json json;
  try {
    json = parse_json(text_of(data, size));
  } catch (const nlohmann::json::exception&) {
    return 0;
  }
  is_taken([&] {
    const RunResult result = run_result_from_json(json, "result.json");
    const auto written = run_result_to_json(result);  // which works out accuracy, precision and recall
    require(run_result_to_json(run_result_from_json(written, "again")) == written, "does not read back as it was");
    for (const char* key : {"epochs_run", "world_size", "parameters", "final_epoch"})
      require(written.at(key) == json.at(key), "a number is not what the text says");
  });
  return 0;
}
