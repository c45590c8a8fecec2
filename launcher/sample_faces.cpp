#include "launcher/sample_faces.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "data/image_rows.h"
#include "data/shard_file.h"

namespace fer_ddp {

namespace {

constexpr int64_t kRowsLookedAt = 64 * kChunkRows;  // enough for dozens of the rarest class

bool shows_something(const Face& face) {
  return std::any_of(face.begin(), face.end(), [&face](uint8_t pixel) { return pixel != face.front(); });
}

}  // namespace

FacesByClass sample_faces(const std::filesystem::path& shards, const Manifest& manifest, size_t per_class) {
  const ShardEntry& shard = manifest.shards.front();
  const ShardReader reader(shards, manifest, 0);
  const int64_t looked_at = std::min(shard.rows[Split::kTrain], kRowsLookedAt);
  ImageRows chunk(std::min(looked_at, kChunkRows));
  FacesByClass faces;
  for (int64_t begin = 0; begin < looked_at; begin += kChunkRows) {
    const ImageRowsView rows = chunk.first(std::min(kChunkRows, looked_at - begin));
    reader.read(Split::kTrain, begin, rows);
    for (size_t row = 0; row < rows.labels.size(); ++row) {
      std::vector<Face>& of_class = faces[rows.labels[row]];
      if (of_class.size() == per_class) continue;
      Face face;
      std::copy_n(rows.images.begin() + static_cast<ptrdiff_t>(row * face.size()), face.size(), face.begin());
      if (shows_something(face)) of_class.push_back(face);
    }
  }
  return faces;
}

void add_faces(const std::filesystem::path& shards, const Manifest& manifest, std::vector<Mistake>& mistakes) {
  ImageRows one(1);
  for (int shard = 0; shard < manifest.shard_count(); ++shard) {
    const PositionRange rows = shard_rows(manifest.rows(Split::kTest), shard, manifest.shard_count());
    std::optional<ShardReader> reader;
    for (Mistake& mistake : mistakes) {
      const auto row = static_cast<int64_t>(mistake.index);
      if (row < rows.begin || row >= rows.end) continue;
      if (!reader) reader.emplace(shards, manifest, shard);
      reader->read(Split::kTest, row - rows.begin, one.first(1));
      if (one.source_rows[0] != mistake.said.row || one.labels[0] != mistake.said.said.label)
        throw user_error(fmt::format("{}: test image {} is of row {}, and not of row {} as in predictions.csv",
                                     shards.string(), row, one.source_rows[0], mistake.said.row),
                         "The shards are others than the run was tested on.");
      mistake.face_png = encode_grey_png(one.images, kImageSide, kImageSide);
    }
  }
  if (std::any_of(mistakes.begin(), mistakes.end(), [](const Mistake& mistake) { return mistake.face_png.empty(); }))
    throw user_error(fmt::format("{}: has fewer test images than predictions.csv", shards.string()),
                     "The shards are others than the run was tested on.");
}

}  // namespace fer_ddp
