// A shard's bytes where HDF5 gets to see them, as if their size and checksum stood in the manifest. Crashes inside
// libhdf5 are its own: they are listed by tests/fuzz/run, and are why a shard is opened only after that check.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/shard_file.h"
#include "tests/fuzz/reader.h"

using namespace fer_ddp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int file = memfd_create("shard", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  require(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == static_cast<ssize_t>(size), "no memory for a file");
  ShardEntry entry{"shard", static_cast<int64_t>(size), {}, {}};  // the rows of the corpus' shard
  entry.rows[Split::kTrain] = 2;
  entry.rows[Split::kValidation] = 2;
  entry.rows[Split::kTest] = 1;
  is_taken([&] { static_cast<void>(ShardReader::of_just_written(path, entry).read_all()); });
  return 0;
}
