#include "train/early_stopping.h"

#include "core/exact_number.h"
#include "core/json_reader.h"

namespace fer_ddp {

StopVerdict EarlyStopping::observe(int epoch, std::optional<double> value) {
  if (!value || epoch < options_.start_from_epoch) return {};
  StopVerdict verdict{.is_best = !weights_kept_};
  weights_kept_ = true;
  ++wait_;
  if (is_improvement(*value, best_, options_.min_delta, direction_)) {
    best_ = value;
    wait_ = 0;
    verdict.is_best = true;
    return verdict;
  }
  verdict.stop = options_.patience && wait_ >= *options_.patience && epoch > 0;
  return verdict;
}

nlohmann::ordered_json EarlyStopping::state() const {
  return {{"best", best_ ? exact_number(*best_) : nlohmann::ordered_json(nullptr)},
          {"weights_kept", weights_kept_},
          {"wait", wait_}};
}

void EarlyStopping::restore(const nlohmann::ordered_json& state) {
  best_ = state.at("best").is_null() ? std::nullopt : std::optional(exact_value(state.at("best")));
  weights_kept_ = state.at("weights_kept").get<bool>();
  wait_ = whole_number<int>(state.at("wait"));
}

}  // namespace fer_ddp
