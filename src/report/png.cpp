#include "report/png.h"

#include <fmt/format.h>
#include <png.h>

#include "core/error.h"

namespace fer_ddp {

std::string encode_grey_png(std::span<const uint8_t> pixels, int width, int height) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_GRAY;
  const auto write = [&](void* memory, png_alloc_size_t& size) {
    if (png_image_write_to_memory(&image, memory, &size, 0, pixels.data(), 0, nullptr) == 0)
      throw machine_error(fmt::format("a picture of {} x {} could not be encoded: {}", width, height, image.message));
  };
  png_alloc_size_t size = 0;
  write(nullptr, size);  // asks for the size alone
  std::string bytes(size, '\0');
  write(bytes.data(), size);
  bytes.resize(size);
  return bytes;
}

}  // namespace fer_ddp
