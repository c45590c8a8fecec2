// A history.csv. What is taken is written as a run would write it and read again.
#include "report/history.h"

#include "tests/fuzz/reader.h"

using namespace fer_ddp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  is_taken([&] {
    const std::vector<HistoryRow> rows = parse_history(text_of(data, size), "history.csv");
    const std::string written = history_csv(epoch_records(rows));
    const std::vector<HistoryRow> again = parse_history(written, "again");
    require(again.size() == rows.size(), "lines are lost");
    for (size_t i = 0; i < rows.size(); ++i) require(again[i].epoch == rows[i].epoch, "an epoch changes");
    require(history_csv(epoch_records(again)) == written, "does not read back as it was");
  });
  return 0;
}
