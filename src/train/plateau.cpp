#include "train/plateau.h"

#include <algorithm>

#include "core/exact_number.h"
#include "core/json_reader.h"

namespace fer_ddp {

double Plateau::observe(std::optional<double> value, double learning_rate) {
  if (!value || !options_.patience) return learning_rate;
  if (cooldown_left_ > 0) {
    --cooldown_left_;
    wait_ = 0;
  }
  if (is_improvement(*value, best_, options_.min_delta, direction_)) {
    best_ = value;
    wait_ = 0;
    return learning_rate;
  }
  if (cooldown_left_ > 0) return learning_rate;
  ++wait_;
  // At the lowest rate the wait goes on counting, as in Keras.
  if (wait_ < *options_.patience || learning_rate <= options_.min_learning_rate) return learning_rate;
  cooldown_left_ = options_.cooldown;
  wait_ = 0;
  return std::max(learning_rate * options_.factor, options_.min_learning_rate);
}

nlohmann::ordered_json Plateau::state() const {
  return {{"best", best_ ? exact_number(*best_) : nlohmann::ordered_json(nullptr)},
          {"wait", wait_},
          {"cooldown_left", cooldown_left_}};
}

void Plateau::restore(const nlohmann::ordered_json& state) {
  best_ = state.at("best").is_null() ? std::nullopt : std::optional(exact_value(state.at("best")));
  wait_ = whole_number<int>(state.at("wait"));
  cooldown_left_ = whole_number<int>(state.at("cooldown_left"));
}

}  // namespace fer_ddp
