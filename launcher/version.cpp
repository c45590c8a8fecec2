#include "launcher/version.h"

#include <H5public.h>
#include <archive.h>
#include <fmt/format.h>
#include <grpcpp/version_info.h>
#include <mpi.h>
#include <png.h>
#include <torch/version.h>

#include <array>
#include <cstdio>
// libjpeg's header needs the one before it.
#include <jpeglib.h>

#include "launcher/own_library.h"

#define FER_DDP_TEXT_OF(macro) FER_DDP_TEXT(macro)
#define FER_DDP_TEXT(words) #words

namespace fer_ddp {

namespace {

// Of "Open MPI v4.1.4, package: Debian OpenMPI, ...", what comes before the comma.
std::string mpi_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);  // one of the few calls that MPI allows before it is initialised
  const std::string whole(text.data(), static_cast<size_t>(length));
  return whole.substr(0, whole.find_first_of(",\n"));
}

std::string hdf5_version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("{}.{}.{}", major, minor, release);
}

}  // namespace

std::string version_text() {
  return fmt::format(
      "fer-ddp {} ({} build)\nLibTorch {}\n{}\nHDF5 {}\ngRPC {}\nlibarchive {}\nlibjpeg-turbo {}\nlibpng {}\n"
      "CUDA plug-in: {}",
      FER_DDP_VERSION, FER_DDP_BUILD_TYPE, TORCH_VERSION, mpi_version(), hdf5_version(), GRPC_CPP_VERSION_STRING,
      ARCHIVE_VERSION_ONLY_STRING, FER_DDP_TEXT_OF(LIBJPEG_TURBO_VERSION), PNG_LIBPNG_VER_STRING,
      has_own_library(kCudaPlugin) ? "there" : "none");
}

}  // namespace fer_ddp
