// The images in memory, one copy for each host, shared by its ranks: what training and evaluation read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "data/manifest.h"
#include "data/split.h"

namespace fer_ddp {

// The rows of a split in the order of their source. Views into the node's shared memory, which the data set holds:
// never written again, valid while it or a copy of it lives, and no longer than until the communicator's close().
struct SplitView {
  std::span<const uint8_t> images;  // [n, 48, 48]
  std::span<const uint8_t> labels;  // 0 to 6
  std::span<const int32_t> source_rows{};

  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

// Cheap to copy: copies share the images.
class Dataset {
 public:
  Dataset(Manifest manifest, std::string fingerprint, std::string checksum, const PerSplit<SplitView>& splits,
          PerSplit<std::vector<int32_t>> copies = {}, NodeMemory memory = {})
      : manifest_(std::move(manifest)),
        fingerprint_(std::move(fingerprint)),
        checksum_(std::move(checksum)),
        splits_(splits),
        copies_(std::move(copies)),
        memory_(std::move(memory)) {}

  [[nodiscard]] const Manifest& manifest() const { return manifest_; }
  [[nodiscard]] const SplitView& split(Split split) const { return splits_[split]; }

  // The rows of a split, ascending, whose pixels are those of a training row (data/copies.h).
  [[nodiscard]] const std::vector<int32_t>& copies(Split split) const { return copies_[split]; }

  // The checksum of the manifest, which holds those of the shards: equal for equal data, split and shards.
  [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }

  // The checksum of what is learnt from: pixels and labels, split by split, in the order of their source; whatever the
  // number of shards and the file that they came from.
  [[nodiscard]] const std::string& checksum() const { return checksum_; }

 private:
  Manifest manifest_;
  std::string fingerprint_;
  std::string checksum_;
  PerSplit<SplitView> splits_;
  PerSplit<std::vector<int32_t>> copies_;
  NodeMemory memory_;
};

// Collective. Checks the shards (files' checksums, chunks' checksums, rows, labels, class counts) and reads them; the
// ranks of a host share the work. Any number of shards is read by any number of ranks. Throws AgreedError.
[[nodiscard]] Dataset load_dataset(const std::filesystem::path& shards, Communicator& communicator);

}  // namespace fer_ddp
