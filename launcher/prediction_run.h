// What a finished run's network sees in picture files: a class and the probabilities of each. Rank 0 reads the
// pictures; every rank computes its share of them, by the run's own step, in the views of its final test.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/choices.h"
#include "data/picture.h"
#include "launcher/command.h"

namespace fer_ddp {

// How the command line asks for it.
struct PredictionRequest {
  std::filesystem::path run;           // the run's folder
  std::vector<std::string> pictures;   // files, or "-": standard input
  std::optional<PictureBox> box;       // of every picture; none: its centre square
  std::optional<DeviceChoice> device;  // where to compute; none: as the run
  bool json = false;                   // print one JSON object
  std::filesystem::path sheet;         // a PNG of the faces and what they are taken for; none if empty
};

// Collective. Prints what the pictures are taken for. Those that cannot be read are named, with the reason, and the
// others answered all the same. Returns the exit code: 2 where one could not be read. Throws AgreedError, or Error for
// what met one rank alone.
int predict_pictures(const PredictionRequest& request, Session& session);

}  // namespace fer_ddp
