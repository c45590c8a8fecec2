// Mutates a small CSV in many ways, from a fixed seed: whatever comes out, importing it succeeds or throws one Error of
// the user's, and never crashes. FER_DDP_FUZZ_ROUNDS sets how many inputs are tried.
#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <cstdlib>
#include <functional>

#include "comm/identity_communicator.h"
#include "core/random.h"
#include "data/importer.h"
#include "tests/data_fixtures.h"

namespace fer_ddp {
namespace {

constexpr int kRows = 6;
constexpr uint32_t kDefaultRounds = 4000;

uint32_t rounds() {
  const char* asked = std::getenv("FER_DDP_FUZZ_ROUNDS");
  return asked == nullptr ? kDefaultRounds : static_cast<uint32_t>(std::atoi(asked));
}

std::string gzipped(const std::string& text) {
  std::string packed(compressBound(text.size()) + 32, '\0');
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// Text that means something to the format, or has meant trouble to other parsers.
constexpr std::array<std::string_view, 20> kWords = {
    ",",   "\n",      "\r\n",   "\"",    " ",        "  ",           "256",      "-1",     "999999999999999999999",
    "\t",  "emotion", "pixels", "Usage", "Training", "\xEF\xBB\xBF", "\x1F\x8B", "\n\n\n", "7,",
    ",,,", "1e3"};

void mutate_once(std::string& text, RandomStream& random) {
  const auto length = static_cast<uint32_t>(text.size());
  const uint32_t kind = random.next_below(7);
  if (length == 0 || kind == 0) {
    text.insert(random.next_below(length + 1), kWords[random.next_below(kWords.size())]);
    return;
  }
  const uint32_t at = random.next_below(length);
  const uint32_t run = random.next_below(std::min(length - at, 3000U)) + 1;
  if (kind == 1) text[at] = static_cast<char>(random.next_below(256));
  if (kind == 2) text[at] = static_cast<char>(text[at] ^ (1 << random.next_below(8)));
  if (kind == 3) text.erase(at, run);
  if (kind == 4) text.resize(at);
  if (kind == 5) text.insert(random.next_below(length), text.substr(at, run));
  if (kind == 6) text.insert(at, std::string(run, static_cast<char>(random.next_below(256))));
}

// Mutations near the front hit the header and the short fields, where most of the parser's decisions are.
void mutate(std::string& text, RandomStream& random) {
  const uint32_t times = 1 + random.next_below(4);
  for (uint32_t i = 0; i < times; ++i) {
    if (random.next_below(4) != 0) {
      mutate_once(text, random);
      continue;
    }
    std::string front = text.substr(0, 64);
    text.erase(0, 64);
    mutate_once(front, random);
    text.insert(0, front);
  }
}

// Imports the file and reads all rows, twice: in order, and as shards do.
void import_everything(const std::filesystem::path& input, const std::filesystem::path& scratch) {
  const auto communicator = make_identity_communicator();
  const auto importer = open_importer(input, scratch, 2, *communicator);
  const int64_t rows = importer->source().rows;
  const SplitRows split = importer->usage().empty() ? seed_split(rows) : official_split(importer->usage());
  for (const Split part : kSplits) {
    ImageRows images(static_cast<int64_t>(split[part].size()));
    importer->reader()->read(split[part], images.images, images.labels);
    for (const uint8_t label : images.labels) EXPECT_LT(label, kExpressionCount);
  }
  importer->reader()->check({0, rows});
}

using Change = std::function<std::string(const std::string& sound, RandomStream& random)>;

void fuzz(const std::string& sound, uint64_t seed, const Change& change) {
  const TemporaryFolder folder;
  uint32_t refused = 0;
  for (uint32_t round = 0; round < rounds(); ++round) {
    RandomStream random(seed, RandomPurpose::kAugmentation, round);
    write_text(folder / "input", change(sound, random));
    SCOPED_TRACE(fmt::format("round {}", round));
    try {
      import_everything(folder / "input", folder.path());
    } catch (const Error& error) {
      ++refused;
      ASSERT_EQ(error.exit_code(), 2) << error.what();
    }
  }
  EXPECT_GT(refused, rounds() / 10);  // else the mutations are too tame
  EXPECT_LT(refused, rounds());
}

std::string mutated(const std::string& sound, RandomStream& random) {
  std::string text = sound;
  mutate(text, random);
  return text;
}

TEST(FuzzCsvImport, AMutatedFileIsImportedOrRefused) { fuzz(made_csv(kRows), 1, mutated); }

TEST(FuzzCsvImport, AMutatedTextInsideGzipIsImportedOrRefused) {
  fuzz(made_csv(kRows), 2,
       [](const std::string& sound, RandomStream& random) { return gzipped(mutated(sound, random)); });
}

TEST(FuzzCsvImport, AMutatedGzipFileIsImportedOrRefused) { fuzz(gzipped(made_csv(kRows)), 3, mutated); }

}  // namespace
}  // namespace fer_ddp
