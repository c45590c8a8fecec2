#include "data/picture_importer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <system_error>
#include <utility>

#include "comm/agreement.h"
#include "comm/identity_communicator.h"
#include "core/atomic_file.h"
#include "core/checksum.h"
#include "core/text.h"
#include "core/threads.h"
#include "data/picture.h"
#include "data/sampler.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

constexpr uint8_t kScaled = 1, kCropped = 2, kTurnedGrey = 4;

// A listing as text, to be sent to all ranks: fields end with a zero byte, which no path has.
std::string listing_text(const PictureListing& listing) {
  std::string text = fmt::format("{}{}", static_cast<int>(listing.order), int{listing.has_numbered_classes});
  text += listing.usage_fault + '\0';
  for (const ListedPicture& picture : listing.pictures) {
    text += static_cast<char>('0' + picture.label);
    text += picture.split ? static_cast<char>('0' + static_cast<int>(*picture.split)) : '-';
    text += picture.path + '\0';
  }
  return text;
}

PictureListing listing_of_text(const std::string& text, const fs::path& root) {
  PictureListing listing{
      .root = root, .order = static_cast<RowOrder>(text[0] - '0'), .has_numbered_classes = text[1] == '1'};
  size_t at = 2;
  const auto next = [&] {
    const size_t end = text.find('\0', at);
    return text.substr(std::exchange(at, end + 1), end - at);
  };
  listing.usage_fault = next();
  while (at < text.size()) {
    const std::string fields = next();
    ListedPicture picture{fields.substr(2), static_cast<uint8_t>(fields[0] - '0')};
    if (fields[1] != '-') picture.split = static_cast<Split>(fields[1] - '0');
    listing.pictures.push_back(std::move(picture));
  }
  return listing;
}

// `shown` stands for the listing's root in what is thrown: that may be a folder for scratch.
std::string read_picture(const PictureListing& listing, const std::string& shown, size_t row) {
  const std::string& path = listing.pictures[row].path;
  std::error_code failure;
  const uintmax_t bytes = fs::file_size(listing.root / path, failure);
  if (!failure && bytes > kMostPictureBytes)
    throw user_error(fmt::format("{}{}: holds {} bytes, expected at most {}", shown, path,
                                 grouped(static_cast<int64_t>(bytes)), grouped(int64_t{kMostPictureBytes})),
                     "Is it another file than was meant?");
  return read_file(listing.root / path, kMostPictureBytes);
}

// A line for each row of the range: what the folder's checksum is of, and the size before it.
std::string facts_of(const PictureListing& listing, const std::string& shown, PositionRange rows) {
  std::string facts;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const std::string bytes = read_picture(listing, shown, static_cast<size_t>(row));
    facts += fmt::format("{} {} {}", bytes.size(), checksum(bytes), listing.pictures[static_cast<size_t>(row)].path);
    facts += '\0';
  }
  return facts;
}

// Ranks and threads read disjoint parts of the folder; what they find is put together in the order of rows.
Source source_of(const PictureListing& listing, const std::string& shown, const std::string& name, int threads,
                 Communicator& communicator) {
  const auto rows = static_cast<int64_t>(listing.pictures.size());
  const PositionRange mine = rank_share({0, rows}, communicator.rank(), communicator.size());
  std::vector<std::string> parts(static_cast<size_t>(threads));
  run_together(communicator, [&] {
    run_in_threads(threads, [&](int thread) {
      parts[static_cast<size_t>(thread)] = facts_of(listing, shown, rank_share(mine, thread, threads));
    });
  });
  std::string own;
  for (const std::string& part : parts) own += part;
  std::string facts;
  for (const std::string& of_rank : communicator.all_gather(own)) facts += of_rank;
  Source source{.name = name, .checksum = checksum(facts), .rows = rows};
  for (size_t at = 0; at < facts.size(); at = facts.find('\0', at) + 1) {
    int64_t bytes = 0;
    std::from_chars(facts.data() + at, facts.data() + facts.size(), bytes);
    source.bytes += bytes;
  }
  return source;
}

}  // namespace

class PictureImporter::Reader final : public RowReader {
 public:
  explicit Reader(const PictureImporter& importer) : importer_(importer) {}

  void read(std::span<const int32_t> source_rows, std::span<uint8_t> images, std::span<uint8_t> labels) override {
    for (size_t i = 0; i < source_rows.size(); ++i) {
      importer_.read_row(source_rows[i], images.subspan(i * kImagePixels, kImagePixels));
      labels[i] = importer_.listing_.pictures[static_cast<size_t>(source_rows[i])].label;
    }
  }

  void check(PositionRange rows) override {
    std::array<uint8_t, kImagePixels> dropped{};
    for (int64_t row = rows.begin; row < rows.end; ++row) importer_.read_row(row, dropped);
  }

 private:
  const PictureImporter& importer_;
};

PictureImporter::PictureImporter(PictureListing listing, std::string shown, Source source)
    : listing_(std::move(listing)),
      shown_(std::move(shown)),
      source_(std::move(source)),
      changes_(listing_.pictures.size()) {
  if (!listing_.usage_fault.empty()) return;
  for (const ListedPicture& picture : listing_.pictures) usage_.push_back(*picture.split);
}

Error PictureImporter::missing_usage(const fs::path& /*input*/) const {
  return user_error(listing_.usage_fault + ", which the official split goes by",
                    "Use --split seed, or put the folders of classes into train, validation and test; names such as "
                    "PublicTest_123.png say it too.");
}

std::unique_ptr<RowReader> PictureImporter::reader() const { return std::make_unique<Reader>(*this); }

void PictureImporter::read_row(int64_t row, std::span<uint8_t> image) const {
  const auto at = static_cast<size_t>(row);
  const std::string bytes = read_picture(listing_, shown_, at);
  const GreyPicture picture = decode_picture(std::as_bytes(std::span(bytes)), shown_ + listing_.pictures[at].path);
  const PictureBox box = centre_square(picture);
  face_of(picture, box, image);
  uint8_t changes = 0;
  if (box.side != kImageSide) changes |= kScaled;
  if (picture.width != picture.height) changes |= kCropped;
  if (picture.was_coloured) changes |= kTurnedGrey;
  changes_[at].store(changes, std::memory_order_relaxed);
}

PictureChanges PictureImporter::changes() const {
  PictureChanges all;
  for (const std::atomic<uint8_t>& changes : changes_) {
    const uint8_t of_row = changes.load(std::memory_order_relaxed);
    all.scaled += (of_row & kScaled) != 0 ? 1 : 0;
    all.cropped += (of_row & kCropped) != 0 ? 1 : 0;
    all.turned_grey += (of_row & kTurnedGrey) != 0 ? 1 : 0;
  }
  return all;
}

std::vector<std::string> PictureImporter::remarks(SplitRule rule) const {
  std::vector<std::string> remarks;
  if (listing_.has_numbered_classes)
    remarks.emplace_back(
        "folders called 0 to 6 are taken as fer2013.csv's numbers: Angry, Disgust, Fear, Happy, Sad, Surprise, "
        "Neutral");
  if (rule == SplitRule::kSeed && listing_.order == RowOrder::kNumbered)
    remarks.emplace_back(
        "the numbers in the pictures' names have gaps: rows are in their order, but the split is another one than of "
        "the whole csv");
  if (rule == SplitRule::kSeed && listing_.order == RowOrder::kChecksum)
    remarks.emplace_back(
        "the pictures' names do not hold the order of fer2013.csv: rows are in the order of checksums of their paths, "
        "and the split is another one than of the csv");
  if (rule == SplitRule::kOfficial && std::find(usage_.begin(), usage_.end(), Split::kValidation) == usage_.end())
    remarks.emplace_back("no folder or name says PublicTest or validation: the validation split is empty");
  return remarks;
}

std::unique_ptr<Importer> open_pictures(const fs::path& root, const std::string& shown, const Source& source,
                                        int threads, Communicator& communicator) {
  std::string text;
  run_on_rank_0(communicator, [&] {
    const PictureListing listing = list_pictures(root, shown);
    if (listing.pictures.size() > size_t{std::numeric_limits<int32_t>::max()})
      throw user_error(shown + ": has more pictures than shards can number");
    text = listing_text(listing);
  });
  PictureListing listing = listing_of_text(broadcast_text(communicator, text), root);
  Source found = source;
  if (source.checksum.empty()) found = source_of(listing, shown, source.name, threads, communicator);
  found.rows = static_cast<int64_t>(listing.pictures.size());
  return std::make_unique<PictureImporter>(std::move(listing), shown, std::move(found));
}

Source source_of_pictures(const fs::path& folder) {
  const FolderContent content = look_into(folder);
  if (!content.pictures) return {};
  const std::string shown = content.pictures->string() + "/";
  return source_of(list_pictures(*content.pictures, shown), shown, {}, 1, *make_identity_communicator());
}

}  // namespace fer_ddp
