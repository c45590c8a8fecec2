// `fer-ddp synthesize OUT`: draws the synthetic faces in the form of fer2013.csv.
#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "comm/agreement.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"
#include "data/synthetic_faces.h"
#include "launcher/command.h"
#include "report/face_grid.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

struct SynthesizeOptions {
  fs::path output;
  fs::path preview;  // empty: none
  int64_t images = 8000;
  uint64_t seed = 0;
  bool overwrite = false;
};

constexpr size_t kPreviewRows = 8;

// FER2013's proportions: 80 % Training, 10 % PublicTest, 10 % PrivateTest, in that row order.
const char* usage_of(int64_t row, int64_t rows) {
  if (row < rows * 8 / 10) return "Training";
  return row < rows * 9 / 10 ? "PublicTest" : "PrivateTest";
}

std::string csv_row(const SyntheticFace& face, const char* usage) {
  std::string row = fmt::format("{}", face.label);
  char separator = ',';
  for (const uint8_t pixel : face.pixels) {
    row += separator;
    row += fmt::format_int(pixel).c_str();
    separator = ' ';
  }
  return row + ',' + usage + '\n';
}

// The csv alone is written: a name that promises another form would mislead whoever reads the file next.
void check_names(const SynthesizeOptions& options) {
  if (options.output.extension() != ".csv")
    throw user_error(fmt::format("{}: the faces are written as a .csv file", options.output.string()),
                     "Name it so; a smaller file can be made of it by gzip.");
  if (!options.preview.empty() && options.preview.extension() != ".png")
    throw user_error(fmt::format("{}: the preview is written as a .png file", options.preview.string()), "Name it so.");
}

void prepare_place(const fs::path& path, bool overwrite) {
  if (fs::is_directory(path)) throw user_error(fmt::format("{}: is a folder, expected a file", path.string()));
  if (fs::exists(path) && !overwrite)
    throw user_error(fmt::format("{}: is there already", path.string()), "Replace it by --overwrite.");
  if (path.has_parent_path()) make_folder(path.parent_path());
}

// Row by row, so that memory does not grow with the file. Returns the first faces of each expression.
FacesByClass write_csv(const SynthesizeOptions& options, std::ofstream& file) {
  FacesByClass first_faces;
  file << "emotion,pixels,Usage\n";
  for (int64_t row = 0; row < options.images && file; ++row) {
    const SyntheticFace face = draw_face(options.seed, row);
    file << csv_row(face, usage_of(row, options.images));
    std::vector<Face>& column = first_faces[face.label];
    if (column.size() < kPreviewRows) column.push_back(face.pixels);
  }
  file.close();
  return first_faces;
}

void synthesize(const SynthesizeOptions& options, RunLog& log) {
  check_names(options);
  prepare_place(options.output, options.overwrite);
  if (!options.preview.empty()) prepare_place(options.preview, options.overwrite);
  const fs::path aside = partial_path(options.output);
  std::ofstream file(aside, std::ios::binary);
  const FacesByClass first_faces = write_csv(options, file);
  if (!file) {
    std::error_code ignored;
    fs::remove(aside, ignored);
    throw machine_error(fmt::format("{}: cannot be written", options.output.string()),
                        "Is the disk full, or the folder not yours?");
  }
  sync_to_disk(aside);
  publish(options.output);
  if (!options.preview.empty()) write_file_atomically(options.preview, face_grid_png(first_faces));
  log.info("synthesized", fmt::format("{}: {} synthetic faces, {} MB", options.output.string(), grouped(options.images),
                                      fs::file_size(options.output) / 1'000'000));
}

}  // namespace

void add_synthesize_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("synthesize", "Draws synthetic faces in the form of fer2013.csv");
  const auto options = std::make_shared<SynthesizeOptions>();
  command->add_option("OUT", options->output, "The csv file to write")->required();
  command->add_option("--images", options->images, "How many")->check(CLI::Range(1, 10'000'000))->capture_default_str();
  command->add_option("--seed", options->seed, "Other seeds draw other faces")->capture_default_str();
  command->add_option("--preview", options->preview, "Also write a PNG with some faces of each expression");
  command->add_flag("--overwrite", options->overwrite, "Replace OUT if it is there already");
  command->callback([options, &chosen] {
    chosen = [options](Session& session) {
      run_on_rank_0(session.communicator(), [&] { synthesize(*options, session.log); });
      return 0;
    };
  });
}

}  // namespace fer_ddp
