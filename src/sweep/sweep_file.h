// The sweep file, as people write it:
//   {"config": "exp.json" or "base": {...},
//    "grid": {KEY: [VALUE, ...], ...} or "list": [{KEY: VALUE, ...}, ...]
//      or "random": {"draws": N, "seed": 0, "keys": {KEY: a range of sweep/draws.h, ...}},
//    "seeds": [0, 1, 2], "halving": {"epochs": [4, 8, 16], "keep": 0.5}, "by": "val_loss",
//    "ranks_per_run": 1 or "groups": N, "name": ..., "output": "sweeps/NAME"}
// and what it comes to: every run's configuration, looked at as that of a single run is.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sweep/sweep.h"

namespace fer_ddp {

// `overrides` ("key=value") are of the base, and give way to what a setting sets. Throws Error (the user's fault)
// naming the file, and the key or the run that is wrong.
[[nodiscard]] Sweep load_sweep(const std::filesystem::path& path, const std::vector<std::string>& overrides = {});

// The same from text that was read elsewhere.
[[nodiscard]] Sweep parse_sweep(std::string_view text, const std::filesystem::path& path,
                                const std::vector<std::string>& overrides = {});

}  // namespace fer_ddp
