#include "launcher/prediction_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <numeric>
#include <system_error>

#include "comm/agreement.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/standard_streams.h"
#include "core/text.h"
#include "data/dataset.h"
#include "data/image_views.h"
#include "data/sampler.h"
#include "launcher/finished_run.h"
#include "launcher/run_reader.h"
#include "report/contact_sheet.h"
#include "step/evaluator.h"

namespace fer_ddp {

namespace {

using Probabilities = std::array<double, kExpressionCount>;

constexpr const char* kStandardInput = "-";

struct ReadPicture {
  std::string name;
  PictureBox box;
  Face face;
};

struct BrokenPicture {
  std::string name;
  Error problem;
};

// What rank 0 has read.
struct Pictures {
  std::vector<ReadPicture> read;
  std::vector<BrokenPicture> broken;
};

PictureBox box_in(const GreyPicture& picture, const PredictionRequest& request, const std::string& name) {
  if (!request.box) return centre_square(picture);
  const PictureBox& box = *request.box;
  // Nothing is added that could overflow.
  if (box.side <= picture.width && box.side <= picture.height && box.x <= picture.width - box.side &&
      box.y <= picture.height - box.side)
    return box;
  throw user_error(fmt::format("{}: --box {},{},{} does not lie within its {} x {} pixels", name, box.x, box.y,
                               box.side, picture.width, picture.height),
                   "Give X,Y of its upper left corner and its SIDE, as the picture stands upright.");
}

// From the descriptor: where standard input is a socket, /dev/stdin cannot be opened.
std::string read_standard_input() {
  std::string bytes;
  std::array<char, 65536> block{};
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw user_error(fmt::format("standard input: cannot be read: {}", errno_text(errno)));
    if (got == 0) return bytes;
    bytes.append(block.data(), static_cast<size_t>(got));
    if (bytes.size() > kMostPictureBytes)
      throw user_error(fmt::format("standard input: holds more than {} bytes, expected fewer",
                                   grouped(static_cast<int64_t>(kMostPictureBytes))));
  }
}

// A pipe that nobody writes to would be waited for without end.
std::string read_picture_file(const std::string& file) {
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(file, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
      !std::filesystem::is_directory(status))
    throw user_error(file + ": is not a regular file", "Give - to read a picture from standard input.");
  return read_file(file, kMostPictureBytes);
}

ReadPicture read_picture(const std::string& file, const PredictionRequest& request) {
  const bool is_input = file == kStandardInput;
  const std::string name = is_input ? "standard input" : file;
  const std::string bytes = is_input ? read_standard_input() : read_picture_file(file);
  const GreyPicture picture = decode_picture(std::as_bytes(std::span(bytes)), name);
  ReadPicture read{.name = file, .box = box_in(picture, request, name), .face = {}};
  face_of(picture, read.box, read.face);
  return read;
}

Pictures read_pictures(const PredictionRequest& request) {
  Pictures pictures;
  for (const std::string& file : request.pictures) {
    try {
      pictures.read.push_back(read_picture(file, request));
    } catch (const Error& problem) {
      pictures.broken.push_back({file, problem});
    }
  }
  return pictures;
}

// The faces that rank 0 has read, one behind the other.
std::string faces_for_all(const Pictures& pictures, Communicator& communicator) {
  std::string faces;
  for (const ReadPicture& picture : pictures.read) faces.append(picture.face.begin(), picture.face.end());
  return broadcast_text(communicator, faces);
}

// The faces as the test split of a dataset that holds nothing else: so the step takes them as it takes a run's own.
Dataset dataset_of(const std::string& faces, const std::vector<uint8_t>& labels) {
  PerSplit<SplitView> splits;
  splits[Split::kTest] = {.images = {reinterpret_cast<const uint8_t*>(faces.data()), faces.size()}, .labels = labels};
  return {{}, {}, {}, splits};
}

// The mean over the views that the run's final test takes; every rank gets all of them.
std::vector<Probabilities> probabilities_of(TrainingStep& step, const Dataset& dataset, const Config& config,
                                            Communicator& communicator) {
  const int64_t images = dataset.split(Split::kTest).size();
  const PositionRange mine = rank_share({0, images}, communicator.rank(), communicator.size());
  const std::vector<ImageView> views = image_views(config.test_time_augmentation);
  std::vector<Probabilities> all(static_cast<size_t>(images), Probabilities{});
  const std::span<double> values(all.front().data(), all.size() * kExpressionCount);
  const std::vector<double> own = summed_probabilities(step, dataset, Split::kTest, mine, views);
  std::copy(own.begin(), own.end(), values.begin() + mine.begin * kExpressionCount);
  communicator.all_reduce(values, ReduceOperation::kSum);
  for (double& value : values) value /= static_cast<double>(views.size());
  return all;
}

std::vector<Probabilities> predict_by_step(const std::filesystem::path& run, const Config& config,
                                           const Network& network, const std::string& faces,
                                           Communicator& communicator) {
  const std::vector<uint8_t> labels(faces.size() / kImagePixels);  // of no account
  std::vector<Probabilities> probabilities;
  compute_as_the_run(
      run, config, network, [&] { return dataset_of(faces, labels); },
      [&](TrainingStep& step, const Dataset& dataset) {
        probabilities = probabilities_of(step, dataset, config, communicator);
      },
      communicator);
  return probabilities;
}

// Labels, the most probable one first.
std::array<size_t, kExpressionCount> ranking(const Probabilities& probabilities) {
  std::array<size_t, kExpressionCount> labels{};
  std::iota(labels.begin(), labels.end(), 0);
  std::stable_sort(labels.begin(), labels.end(),
                   [&](size_t a, size_t b) { return probabilities[a] > probabilities[b]; });
  return labels;
}

// "face.png  Happy     87.3 %   Surprise 6.1 %, Neutral 3.0 %"
std::string table(const std::vector<ReadPicture>& pictures, const std::vector<Probabilities>& probabilities) {
  int width = 0;
  for (const ReadPicture& picture : pictures) width = std::max(width, terminal_columns(printable_text(picture.name)));
  std::string text;
  for (size_t i = 0; i < pictures.size(); ++i) {
    const auto labels = ranking(probabilities[i]);
    const auto percent = [&](size_t place) { return 100 * probabilities[i][labels[place]]; };
    text += fmt::format("{}  {:<8} {:5.1f} %   {} {:.1f} %, {} {:.1f} %\n",
                        fitted_to_columns(printable_text(pictures[i].name), width), kExpressionNames[labels[0]],
                        percent(0), kExpressionNames[labels[1]], percent(1), kExpressionNames[labels[2]], percent(2));
  }
  return text;
}

nlohmann::ordered_json to_json(const Pictures& pictures, const std::vector<Probabilities>& probabilities) {
  using Json = nlohmann::ordered_json;
  Json predictions = Json::array();
  for (size_t i = 0; i < pictures.read.size(); ++i) {
    const ReadPicture& picture = pictures.read[i];
    const size_t label = ranking(probabilities[i]).front();
    Json shares = Json::object();
    for (size_t k = 0; k < kExpressionCount; ++k) shares[std::string(kExpressionNames[k])] = probabilities[i][k];
    predictions.push_back({{"file", picture.name},
                           {"class", kExpressionNames[label]},
                           {"label", label},
                           {"probabilities", shares},
                           {"box", {picture.box.x, picture.box.y, picture.box.side}}});
  }
  Json errors = Json::array();
  for (const BrokenPicture& picture : pictures.broken)
    errors.push_back({{"file", picture.name}, {"what", picture.problem.what()}});
  return {{"predictions", predictions}, {"errors", errors}};
}

void write_sheet(const std::filesystem::path& sheet, const std::vector<ReadPicture>& pictures,
                 const std::vector<Probabilities>& probabilities) {
  std::vector<CaptionedFace> faces;
  faces.reserve(pictures.size());
  for (size_t i = 0; i < pictures.size(); ++i) {
    const size_t label = ranking(probabilities[i]).front();
    faces.push_back(
        {pictures[i].face, fmt::format("{} {:.0f} %", kExpressionNames[label], 100 * probabilities[i][label])});
  }
  if (!faces.empty()) write_file_atomically(sheet, contact_sheet_png(faces));
}

void publish(const PredictionRequest& request, const Pictures& pictures,
             const std::vector<Probabilities>& probabilities, RunLog& log) {
  print_result(request.json ? json_text(to_json(pictures, probabilities)) + "\n" : table(pictures.read, probabilities));
  for (const BrokenPicture& picture : pictures.broken)
    log.error("picture", picture.problem.message(), {{"file", picture.name}});
  if (!request.sheet.empty()) write_sheet(request.sheet, pictures.read, probabilities);
}

void require_sheet(const PredictionRequest& request) {
  if (request.sheet.empty()) return;
  require_picture_output(request.sheet, ".png");
  if (request.pictures.size() > kMostSheetFaces)
    throw user_error(fmt::format("{}: {} pictures were given, and a sheet holds at most {}", request.sheet.string(),
                                 grouped(std::ssize(request.pictures)), grouped(static_cast<int64_t>(kMostSheetFaces))),
                     "Give fewer of them at a time, or no --sheet.");
  for (const std::string& picture : request.pictures) {
    std::error_code ignored;
    if (picture != kStandardInput && std::filesystem::equivalent(request.sheet, picture, ignored))
      throw user_error(fmt::format("{}: is one of the pictures, which the sheet would replace", request.sheet.string()),
                       "Name another file for --sheet.");
  }
}

}  // namespace

int predict_pictures(const PredictionRequest& request, Session& session) {
  Communicator& communicator = session.communicator();
  Config config;
  Network network;
  run_together(communicator, [&] {
    require_sheet(request);
    config = config_of_run(request.run);
    network = network_with_weights(request.run, request.device, config);
  });
  Pictures pictures;
  run_on_rank_0(communicator, [&] { pictures = read_pictures(request); });
  const std::string faces = faces_for_all(pictures, communicator);
  std::array<int64_t, 1> broken = {static_cast<int64_t>(pictures.broken.size())};
  communicator.broadcast(std::as_writable_bytes(std::span(broken)), 0);
  std::vector<Probabilities> probabilities;
  if (!faces.empty()) probabilities = predict_by_step(request.run, config, network, faces, communicator);
  run_on_rank_0(communicator, [&] { publish(request, pictures, probabilities, session.log); });
  return broken[0] > 0 ? static_cast<int>(Fault::kUser) : 0;
}

}  // namespace fer_ddp
