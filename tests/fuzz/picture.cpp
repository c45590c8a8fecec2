// A picture file of any sort, to a face.
#include "data/picture.h"

#include "tests/fuzz/reader.h"

using namespace fer_ddp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  is_taken([&] {
    const GreyPicture picture = decode_picture(std::as_bytes(std::span(data, size)), "picture");
    require(picture.width > 0 && picture.height > 0, "a picture without pixels");
    require(int64_t{picture.width} * picture.height <= kMostPicturePixels, "a picture beyond the bound");
    require(picture.pixels.size() == static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height),
            "a picture of another size than it says");
    std::vector<uint8_t> face(kImagePixels);
    face_of(picture, centre_square(picture), face);
  });
  return 0;
}
