#include "launcher/sweep_data.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "launcher/run_data.h"

namespace fer_ddp {

namespace fs = std::filesystem;

const Dataset& SweepData::of(size_t run) const {
  const Loaded& loaded = sets_[of_run_[run]];
  if (loaded.problem) throw AgreedError(*loaded.problem);
  return *loaded.set;
}

SweepData load_sweep_data(Sweep& sweep, const SweepFolder& folder, int threads, Session& session) {
  SweepData data;
  std::map<std::pair<std::string, SplitRule>, size_t> known;
  std::vector<std::string> shards;
  for (SweepRun& run : sweep.runs) {
    const auto [place, is_new] = known.emplace(std::pair(run.config.data, run.config.split), data.sets_.size());
    if (is_new) {
      const fs::path made = folder.shards(data.sets_.size());
      SweepData::Loaded& loaded = data.sets_.emplace_back();
      shards.push_back(run.config.data);
      try {
        const fs::path found =
            provide_shards(run.config, {.made = made, .to_make = made, .reuse = true, .threads = threads}, session);
        loaded.set = load_training_data(found, run.config, session.communicator());
        shards.back() = found.string();
      } catch (const AgreedError& problem) {
        if (problem.fault() != Fault::kUser) throw;
        loaded.problem = problem;
      }
    }
    data.of_run_.push_back(place->second);
    run.config.data = shards[place->second];
    if (const auto& set = data.sets_[place->second].set) run.data_checksum = set->checksum();
  }
  if (std::none_of(data.sets_.begin(), data.sets_.end(), [](const auto& loaded) { return loaded.set.has_value(); }))
    throw AgreedError(*data.sets_.front().problem);
  return data;
}

}  // namespace fer_ddp
