// Loaded into a program by LD_PRELOAD: a disk on which flushing what belongs to a checkpoint takes
// FER_DDP_DISK_SECONDS, and fails as a full one does while the file FER_DDP_DISK_FULL is there.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

namespace {

bool is_of_a_checkpoint(int file) {
  std::error_code ignored;
  const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file), ignored);
  return path.string().find("/checkpoints/") != std::string::npos;
}

}  // namespace

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the C library calls it __fd
extern "C" int fsync(int file) {
  if (is_of_a_checkpoint(file)) {
    const char* seconds = std::getenv("FER_DDP_DISK_SECONDS");
    if (seconds != nullptr) std::this_thread::sleep_for(std::chrono::duration<double>(std::atof(seconds)));
    const char* full = std::getenv("FER_DDP_DISK_FULL");
    if (full != nullptr && ::access(full, F_OK) == 0) {
      errno = ENOSPC;
      return -1;
    }
  }
  return static_cast<int>(::syscall(SYS_fsync, file));
}
