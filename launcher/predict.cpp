// `fer-ddp predict RUN IMAGE...`: what a finished run takes the faces in picture files for.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <string>
#include <system_error>

#include "comm/agreement.h"
#include "core/error.h"
#include "launcher/command.h"
#include "launcher/training_commands.h"

namespace fer_ddp {

namespace {

// "30,50,96".
PictureBox box_of(const std::string& text) {
  std::array<int, 3> numbers{};
  const char* at = text.data();
  const char* const end = at + text.size();
  bool is_whole = true;
  for (size_t i = 0; i < numbers.size() && is_whole; ++i) {
    if (i > 0) is_whole = at != end && *at++ == ',';
    const auto [next, problem] = std::from_chars(at, end, numbers[i]);
    is_whole = is_whole && problem == std::errc() && numbers[i] >= 0;
    at = next;
  }
  if (is_whole && at == end && numbers[2] > 0) return {.x = numbers[0], .y = numbers[1], .side = numbers[2]};
  throw user_error(fmt::format("--box {} is no square", text),
                   "Give X,Y,SIDE: its upper left corner, counted from 0,0, and its side, at least 1, in pixels.");
}

int run_predict(PredictionRequest request, const std::string& box, Session& session) {
  run_together(session.communicator(), [&] {
    if (std::count(request.pictures.begin(), request.pictures.end(), "-") > 1)
      throw user_error("standard input (-) was given twice", "It holds one picture.");
    if (!box.empty()) request.box = box_of(box);
  });
  return load_training_commands(session.communicator()).predict(request, session);
}

}  // namespace

void add_predict_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("predict", "Says what a finished run takes the faces in picture files for");
  const auto request = std::make_shared<PredictionRequest>();
  const auto box = std::make_shared<std::string>();
  command->add_option("RUN", request->run, "The run's folder")->required();
  command->add_option("IMAGE", request->pictures, "JPEG or PNG files of any size; -: standard input")->required();
  command
      ->add_option("--box", *box,
                   "The square of the pictures that holds the face, in pixels from the upper left corner; if not "
                   "given, the largest one in the middle")
      ->type_name("X,Y,SIDE");
  add_device_option(*command, request->device);
  command->add_flag("--json", request->json, "Print one JSON object");
  command->add_option("--sheet", request->sheet,
                      "The PNG to write: the faces as the network sees them, and what they are taken for");
  command->callback([request, box, &chosen] {
    chosen = [request, box](Session& session) { return run_predict(*request, *box, session); };
  });
}

}  // namespace fer_ddp
