#include "report/mistakes.h"

#include <algorithm>
#include <cmath>

namespace fer_ddp {

std::vector<Mistake> most_confident_mistakes(std::span<const TestPrediction> predictions, size_t most) {
  std::vector<Mistake> mistakes;
  for (size_t index = 0; index < predictions.size(); ++index) {
    const ImagePrediction& said = predictions[index].said;
    if (!said.is_right() && !std::isnan(said.probability))
      mistakes.push_back({.index = index, .said = predictions[index]});
  }
  std::stable_sort(mistakes.begin(), mistakes.end(), [](const Mistake& one, const Mistake& other) {
    return one.said.said.probability > other.said.said.probability;
  });
  if (mistakes.size() > most) mistakes.resize(most);
  return mistakes;
}

}  // namespace fer_ddp
