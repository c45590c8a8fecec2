// Writes what the fuzzers start from, one folder a fuzzer: make_corpus OUT. Faces are drawn, keys and certificates made
// for the purpose and used nowhere. tests/fuzz/corpus is its output; it is run again where a format changes.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <iostream>

#include "certificates.h"
#include "core/atomic_file.h"
#include "core/checksum.h"
#include "core/config.h"
#include "core/run_result.h"
#include "data/shard_file.h"
#include "data/synthetic_faces.h"
#include "model/safetensors.h"
#include "report/history.h"
#include "report/predictions.h"
#include "tests/archive_fixtures.h"
#include "tests/picture_fixtures.h"
#include "train/checkpoint_state.h"

using namespace fer_ddp;

namespace fs = std::filesystem;

namespace {

void write(const fs::path& path, std::string_view bytes) {
  make_folder(path.parent_path());
  write_file_atomically(path, bytes);
}

std::string faces_csv(int64_t faces) {
  std::string text = "emotion,pixels,Usage\n";
  for (int64_t row = 0; row < faces; ++row) {
    const SyntheticFace face = draw_face(0, row);
    text +=
        fmt::format("{},{},{}\n", face.label, fmt::join(face.pixels, " "), row % 2 == 0 ? "Training" : "PublicTest");
  }
  return text;
}

class DrawnFaces final : public Importer {
 public:
  [[nodiscard]] const Source& source() const override { return source_; }
  [[nodiscard]] const std::vector<Split>& usage() const override { return usage_; }
  [[nodiscard]] std::unique_ptr<RowReader> reader() const override { return std::make_unique<Reader>(); }

 private:
  struct Reader final : RowReader {
    void read(std::span<const int32_t> rows, std::span<uint8_t> images, std::span<uint8_t> labels) override {
      for (size_t i = 0; i < rows.size(); ++i) {
        const SyntheticFace face = draw_face(0, rows[i]);
        std::copy(face.pixels.begin(), face.pixels.end(), images.begin() + static_cast<ptrdiff_t>(i * kImagePixels));
        labels[i] = face.label;
      }
    }
    void check(PositionRange) override {}
  };

  Source source_{.name = "drawn", .bytes = 5, .checksum = "none", .rows = 5};
  std::vector<Split> usage_;
};

// Two rows of training, two of validation, one of test: what shard.cpp expects.
void write_shards(const fs::path& out) {
  SplitRows rows;
  rows[Split::kTrain] = {0, 1};
  rows[Split::kValidation] = {2, 3};
  rows[Split::kTest] = {4};
  const DrawnFaces faces;
  const fs::path shard = out / "shard" / "five_faces.h5";
  make_folder(shard.parent_path());
  const ShardContent content = write_shard(shard, rows, faces, 1);
  Manifest manifest{.source = faces.source(), .class_names = expression_names(), .class_counts = content.class_counts};
  ShardEntry entry{shard_file_name(0, 1), static_cast<int64_t>(fs::file_size(shard)), file_checksum(shard), {}};
  for (const Split split : kSplits) entry.rows[split] = static_cast<int64_t>(rows[split].size());
  manifest.shards.push_back(entry);
  write(out / "manifest" / "one_shard.json", manifest_text(manifest));
  write(out / "csv_row" / "one_face.csv", faces_csv(1));
  write(out / "csv_row" / "other_columns.csv",
        "Usage,id, \"emotion\" ,pixels\r\nPrivateTest,1,\"7\",\"0 255 256\"\r\n");
}

// A drawn face in each kind of file, in colour where channels are asked for.
RawPicture drawn_picture(int channels) {
  const SyntheticFace face = draw_face(0, 0);
  RawPicture picture{kImageSide, kImageSide, channels, {}};
  for (const uint8_t pixel : face.pixels) {
    for (int channel = 0; channel < channels; ++channel)
      picture.samples.push_back(static_cast<uint8_t>(pixel / (channel + 1)));
  }
  return picture;
}

void write_pictures(const fs::path& out) {
  const fs::path folder = out / "picture";
  const std::string exif = made_exif(6, true);
  write(folder / "grey.jpg", encode_jpeg(drawn_picture(1), {.exif = exif}));
  write(folder / "progressive.jpg",
        encode_jpeg(drawn_picture(3), {.given = JCS_RGB, .stored = JCS_YCbCr, .quality = 60, .is_progressive = true}));
  write(folder / "ycck.jpg", encode_jpeg(drawn_picture(4), {.given = JCS_CMYK, .stored = JCS_YCCK, .quality = 40}));
  write(folder / "grey.png", encode_png(drawn_picture(1), {.exif = exif}));
  std::string long_chunk = encode_png(drawn_picture(1), {.exif = exif});
  long_chunk[long_chunk.find("eXIf") - 4] = '\x26';  // what the fuzzer found: libpng took its word for 600 MB
  write(folder / "long_chunk.png", long_chunk);
  write(folder / "interlaced.png",
        encode_png(drawn_picture(4), {.colour_type = PNG_COLOR_TYPE_RGB_ALPHA, .is_interlaced = true}));
  write(folder / "page.html", "<!DOCTYPE html>");
  const std::vector<MadeEntry> entries = {
      {"faces/", "", AE_IFDIR}, {"faces/happy/a.png", encode_png({1, 1, 1, {7}})}, {"faces/labels.csv", "a,b\n"}};
  constexpr std::array kNames = {"faces.tar", "faces.tar.gz", "faces.zip", "faces.7z"};
  for (size_t i = 0; i < kNames.size(); ++i)
    write(out / "archive" / kNames[i], made_archive(kArchiveKinds[i], entries));
  write(out / "archive" / "links.tar", made_archive(ArchiveKind::kTar, {{"a", "", AE_IFLNK, "/etc"}, {"../b", "x"}}));
}

void write_configurations(const fs::path& out) {
  write(out / "config" / "least.json", R"({"data": "faces.csv"})");
  write(out / "config" / "every_key.json", config_to_json(parse_config("{}", "run.json")).dump(2));
  using namespace std::string_literals;
  write(out / "config" / "overrides.json", R"({"data": "faces.csv"})"
                                           "\0learning_rate=1e-4\0status_address=null\0input_shape=[48,48,1]\0name=7"s);
}

std::vector<EpochRecord> two_epochs() {
  return {{.epoch = 0,
           .loss = 1.75,
           .accuracy = 0.25,
           .val_loss = 1.5,
           .val_accuracy = 0.375,
           .learning_rate = 1e-3,
           .seconds = 2,
           .images_per_second = 9000},
          {.epoch = 1, .loss = 1.5, .learning_rate = 1e-4}};
}

void write_predictions(const fs::path& out) {
  const float unknown = std::nanf("");
  const std::vector<TestPrediction> predictions = {
      {.row = 28709, .said = {.label = 3, .called = 3, .probability = 0.987654F, .label_probability = 0.987654F}},
      {.row = 28710,
       .said = {.label = 0, .called = 6, .probability = 0.51F, .label_probability = 1.2e-7F},
       .copy = true},
      {.row = 28712, .said = {.label = 2, .called = 0, .probability = unknown, .label_probability = unknown}}};
  write(out / "predictions" / "of_a_run.csv", predictions_csv(predictions));
}

void write_run(const fs::path& out) {
  write(out / "history" / "of_a_run.csv", history_csv(two_epochs()));
  write(out / "history" / "of_keras.csv",
        "epoch,accuracy,loss,\"val, odd\",val_loss\r\n0,0.5,1.5,x,NA\r\n1,nan,inf,\"a\"\"b\",\r\n");
  const TrainingState state{.epoch = 2,
                            .step = 7,
                            .learning_rate = 1e-4,
                            .progress = {.loss = 3.5, .correct = 5, .images = 9},
                            .history = two_epochs(),
                            .best_epoch = 0};
  DecisionMaker decisions{Config{}};
  static_cast<void>(decisions.decide(0, 1.5, 1e-3));
  const CheckpointState checkpoint{
      .training = state, .decisions = decisions.state(), .optimizer_steps = 197, .data_checksum = "0123456789abcdef"};
  write(out / "checkpoint_state" / "state.json", checkpoint_state_text(checkpoint));
  RunResult result{.stop_reason = "early_stopping",
                   .epochs_run = 2,
                   .best_epoch_by_loss = 0,
                   .final_epoch = 1,
                   .seconds = 4.5,
                   .parameters = 840'000,
                   .ranks = {{.rank = 0, .host = "node1", .device = "cpu"}},
                   .started = "2025-01-01T00:00:00Z",
                   .finished = "2025-01-01T00:00:05Z"};
  write(out / "result" / "untested.json", run_result_to_json(result).dump());
  result.test = Evaluation{.loss = 1.25, .images = 3};
  result.test->confusion[3][3] = 2;
  result.test->confusion[0][6] = 1;
  write(out / "result" / "tested.json", run_result_to_json(result).dump());
}

void write_tensors(const fs::path& out) {
  const StoredTensors tensors = {
      {"conv1.bias", {{3}, {1, -0.5F, 2}}}, {"empty", {{0, 4}, {}}}, {"fc.weight", {{2, 2}, {1, 2, 3, 4}}}};
  std::string file;
  write_safetensors(sources_of(tensors), {{"format", "pt"}}, [&file](std::span<const std::byte> bytes) {
    file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  write(out / "safetensors" / "three.safetensors", file);
}

void write_secrets(const fs::path& out) {
  const Identity authority = make_authority("fuzz");
  const Identity service = make_signed_by(authority, "DNS:localhost,DNS:*.example.org,IP:127.0.0.1,IP:::1");
  write(out / "pem" / "certificate_and_key.pem", service.certificate + service.key);
  write(out / "pem" / "two_certificates.pem", "a comment\n" + service.certificate + authority.certificate);
  write(out / "pem" / "encrypted_key.pem", encrypted(service.key, "fuzz"));
  write(out / "token" / "token", "c0ffee\nBearer c0ffee");
  write(out / "token" / "authorization", "bearer c0ffee \t\r\n");
}

// HTTP/2 as far as one call needs it (RFC 9113, and RFC 7541's literal fields without indexing).
std::string frame(char type, char flags, char stream, const std::string& payload) {
  const auto size = static_cast<uint32_t>(payload.size());
  const std::string head = {static_cast<char>(size >> 16), static_cast<char>(size >> 8), static_cast<char>(size)};
  return head + type + flags + std::string(3, '\0') + stream + payload;
}

std::string field(const std::string& name, const std::string& value) {
  return std::string(1, '\0') + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) + value;
}

std::string call(const std::string& method, const std::string& token, const std::string& message) {
  constexpr char kData = 0, kHeaders = 1, kSettings = 4, kEndStream = 1, kEndHeaders = 4;
  std::string headers = field(":method", "POST") + field(":scheme", "http") + field(":path", "/" + method) +
                        field(":authority", "localhost") + field("content-type", "application/grpc") +
                        field("te", "trailers");
  if (!token.empty()) headers += field("authorization", "Bearer " + token);
  const std::string sized = std::string(4, '\0') + static_cast<char>(message.size()) + message;
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, 0, 0, "") + frame(kHeaders, kEndHeaders, 1, headers) +
         frame(kData, kEndStream, 1, sized);
}

void write_requests(const fs::path& out) {
  const std::string service = "fer_ddp.v1.TrainingStatus/";
  write(out / "status_port" / "get_status", call(service + "GetStatus", "c0ffee", ""));
  write(out / "status_port" / "get_history", call(service + "GetHistory", "c0ffee", ""));
  write(out / "status_port" / "watch",
        call(service + "WatchStatus", "c0ffee", "\x09" + std::string(6, '\0') + "\xf0\x3f"));
  write(out / "status_port" / "stop_without_token", call(service + "StopTraining", "", ""));
  write(out / "status_port" / "health", call("grpc.health.v1.Health/Check", "", ""));
  write(out / "status_port" / "http_1", "GET / HTTP/1.1\r\n\r\n");
  write(out / "metrics_port" / "get", "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
  write(out / "metrics_port" / "elsewhere",
        "GET /../etc?a=%zz HTTP/1.0\r\nRange: bytes=5-1\r\nContent-Length: 99\r\n\r\n");
  write(out / "metrics_port" / "post",
        "POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: make_corpus OUT\n";
    return 2;
  }
  const fs::path out = argv[1];
  write_configurations(out);
  write_shards(out);
  write_predictions(out);
  write_pictures(out);
  write_run(out);
  write_tensors(out);
  write_secrets(out);
  write_requests(out);
  return 0;
}
