#include "launcher/sample_faces.h"

#include <algorithm>

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

}  // namespace fer_ddp
