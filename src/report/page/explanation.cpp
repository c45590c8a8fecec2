#include "report/page/explanation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "core/statistics.h"
#include "core/text.h"
#include "report/page/html.h"

namespace fer_ddp {

namespace {

const RunCandidate* find_candidate(const RunResult& result, bool RunCandidate::*role) {
  const auto found = std::find_if(result.candidates.begin(), result.candidates.end(),
                                  [role](const RunCandidate& candidate) { return candidate.*role; });
  return found == result.candidates.end() ? nullptr : &*found;
}

// Another candidate beside the one that was kept.
struct Rival {
  const RunCandidate* candidate;
  PairedCounts right;  // first: the kept one
  double p = 1;

  [[nodiscard]] bool differs() const { return p < kSignificance; }
  [[nodiscard]] int64_t more() const { return right.only_second - right.only_first; }
};

PairedCounts counts_of(const RunResult& result, int kept, int other) {
  for (const CandidateComparison& comparison : result.comparisons) {
    const PairedCounts& right = comparison.right;
    if (comparison.first_epoch == kept && comparison.second_epoch == other) return right;
    if (comparison.first_epoch == other && comparison.second_epoch == kept)
      return {.only_first = right.only_second, .only_second = right.only_first};
  }
  return {};
}

// Those that were tested, the best first.
std::vector<Rival> rivals_of(const RunResult& result, const RunCandidate& kept) {
  std::vector<Rival> rivals;
  for (const RunCandidate& candidate : result.candidates) {
    if (&candidate == &kept || !candidate.test || !kept.test) continue;
    const PairedCounts right = counts_of(result, kept.epoch, candidate.epoch);
    rivals.push_back({&candidate, right, mcnemar_p(right)});
  }
  std::stable_sort(rivals.begin(), rivals.end(),
                   [](const Rival& one, const Rival& other) { return one.more() > other.more(); });
  return rivals;
}

std::string at_the_start(std::string sentence) {
  sentence.replace(0, 1, 1, static_cast<char>(std::toupper(static_cast<unsigned char>(sentence[0]))));
  return sentence;
}

std::string names_of(const std::vector<const Rival*>& rivals) {
  std::vector<std::string> names(rivals.size());
  std::transform(rivals.begin(), rivals.end(), names.begin(),
                 [](const Rival* rival) { return epoch_name(rival->candidate->epoch); });
  return fmt::format("{}", fmt::join(names, " and "));
}

std::string verdict(const RunCandidate& kept, const std::vector<Rival>& rivals) {
  if (!kept.test) return "There are no test images to judge the weights by.";
  if (rivals.empty())
    return kept.lowest_loss && kept.highest_accuracy && kept.last
               ? fmt::format("There was nothing to choose: {} is the best by loss, the best by accuracy and the last.",
                             epoch_name(kept.epoch))
               : "There is no other epoch's score to hold against it.";
  std::vector<const Rival*> better;
  std::vector<const Rival*> worse;
  for (const Rival& rival : rivals)
    if (rival.differs()) (rival.more() > 0 ? better : worse).push_back(&rival);
  std::string words;
  if (better.empty())
    words =
        fmt::format("No: no other of these epochs does better than {}, whose weights were kept, by more than noise.",
                    epoch_name(kept.epoch));
  else
    words = fmt::format("Yes: the weights of {} do better than those of {}, which were kept, by more than noise.",
                        names_of(better), epoch_name(kept.epoch));
  if (!worse.empty()) words += fmt::format(" Those of {} do worse by more than noise.", names_of(worse));
  return words;
}

std::string best_epochs_words(const RunResult& result) {
  const RunCandidate* by_loss = find_candidate(result, &RunCandidate::lowest_loss);
  const RunCandidate* by_accuracy = find_candidate(result, &RunCandidate::highest_accuracy);
  if (by_loss == nullptr || by_accuracy == nullptr) return "Of no epoch were validation loss and accuracy numbers.";
  if (by_loss == by_accuracy)
    return at_the_start(
        fmt::format("{} had both the lowest validation loss ({}) and the highest validation accuracy ({}).",
                    epoch_name(by_loss->epoch), loss_text(by_loss->val_loss), percent_text(by_loss->val_accuracy)));
  return at_the_start(fmt::format("{} had the lowest validation loss ({}), {} the highest validation accuracy ({}).",
                                  epoch_name(by_loss->epoch), loss_text(by_loss->val_loss),
                                  epoch_name(by_accuracy->epoch), percent_text(by_accuracy->val_accuracy)));
}

// Why these weights are kept.
std::string choice_words(const ReportRun& run, const RunCandidate& kept) {
  const RunResult& result = *run.result;
  const bool has_monitor = run.config.is_object() && run.config.contains("monitor");
  const std::string monitor = has_monitor && run.config.at("monitor").is_string()
                                  ? run.config.at("monitor").get<std::string>()
                                  : std::string("the monitored metric");
  const std::string epoch = epoch_name(kept.epoch);
  if (result.stop_reason == "diverged")
    return fmt::format("The run diverged; it ends with the weights of {}, the best before by {}.", epoch, monitor);
  if (result.restored_epoch)
    return fmt::format("restore_best_weights went back to {}, the best by {}, which is what was monitored.", epoch,
                       monitor);
  const RunCandidate* best = find_candidate(result, &RunCandidate::early_stopping_best);
  if (best == nullptr) return fmt::format("The run ends with the weights of its last epoch, {}.", epoch);
  if (best == &kept)
    return fmt::format("The run ends with the weights of its last epoch, {}, which is also the best by {}.", epoch,
                       monitor);
  return fmt::format(
      "The run ends with the weights of its last epoch, {}: restore_best_weights is off, and would have gone back to "
      "{}, the best by {}.",
      epoch, epoch_name(best->epoch), monitor);
}

std::string images_words(int64_t more) {
  if (more == 0) return "as many images";
  return fmt::format("{} image{} {}", grouped(std::abs(more)), std::abs(more) == 1 ? "" : "s",
                     more > 0 ? "more" : "fewer");
}

std::string rival_words(const RunCandidate& kept, const Rival& rival) {
  const RunCandidate& other = *rival.candidate;
  return fmt::format(
      "On the {} test images the weights of {} get {} right and those of {}, which were kept, {}: {}. One of the two "
      "alone is right on {} images ({} and {}); two equally good networks would differ as much with p = {}: {} than "
      "noise.",
      grouped(kept.test->images), epoch_name(other.epoch), percent_text(other.test->accuracy()), epoch_name(kept.epoch),
      percent_text(kept.test->accuracy()), images_words(rival.more()),
      grouped(rival.right.only_first + rival.right.only_second), grouped(rival.right.only_second),
      grouped(rival.right.only_first), probability_text(rival.p), rival.differs() ? "more" : "no more");
}

// Where a later epoch is right more often at a higher loss.
std::string loss_words(const RunResult& result) {
  const RunCandidate* by_loss = find_candidate(result, &RunCandidate::lowest_loss);
  if (by_loss == nullptr || !by_loss->test) return {};
  const RunCandidate* found = nullptr;
  for (const RunCandidate& other : result.candidates)
    if (other.test && other.test->loss > by_loss->test->loss && other.test->correct > by_loss->test->correct &&
        (found == nullptr || other.test->correct > found->test->correct))
      found = &other;
  if (found == nullptr) return {};
  return fmt::format(
      "Loss and accuracy disagree because loss also counts how sure the network is: from {} to {} it gets more test "
      "images right ({} to {}) at a higher loss ({} to {}), surer where it is wrong.",
      epoch_name(by_loss->epoch), epoch_name(found->epoch), grouped(by_loss->test->correct),
      grouped(found->test->correct), loss_text(by_loss->test->loss), loss_text(found->test->loss));
}

std::string unknown_words(const RunResult& result) {
  std::vector<std::string> unknown;
  for (const RunCandidate& candidate : result.candidates)
    if (!candidate.test && result.test) unknown.push_back(epoch_name(candidate.epoch));
  if (unknown.empty()) return {};
  return fmt::format(
      "No weights of {} were kept, since a part of the run was by an older fer-ddp: what they would score cannot be "
      "told.",
      fmt::join(unknown, " and "));
}

std::string roles_of(const RunCandidate& candidate) {
  std::vector<const char*> roles;
  if (candidate.lowest_loss) roles.push_back("lowest validation loss");
  if (candidate.highest_accuracy) roles.push_back("highest validation accuracy");
  if (candidate.early_stopping_best && !candidate.lowest_loss) roles.push_back("best for early stopping");
  if (candidate.last) roles.push_back("last epoch");
  return fmt::format("{}", fmt::join(roles, ", "));
}

// The intervals of all candidates lie on one scale.
ShareInterval scale_of(const std::vector<RunCandidate>& candidates) {
  ShareInterval scale{.low = 1, .high = 0};
  for (const RunCandidate& candidate : candidates) {
    if (!candidate.test) continue;
    const ShareInterval interval = wilson_interval(candidate.test->correct, candidate.test->images);
    scale = {.low = std::min(scale.low, interval.low), .high = std::max(scale.high, interval.high)};
  }
  return {.low = std::floor(100 * scale.low) / 100, .high = std::ceil(100 * scale.high) / 100};
}

Html interval_mark(const Score& score, const ShareInterval& scale) {
  const ShareInterval interval = wilson_interval(score.correct, score.images);
  const auto place = [&scale](double share) {
    return fmt::format("{:.4f}", (share - scale.low) / std::max(scale.high - scale.low, 1e-9));
  };
  return fill("candidate-interval",
              {{"low", place(interval.low)},
               {"high", place(interval.high)},
               {"at", place(score.accuracy())},
               {"text", fmt::format("{} to {}", percent_text(interval.low), percent_text(interval.high))}});
}

Html candidate_row(const RunResult& result, const RunCandidate& candidate, const RunCandidate& kept,
                   const ShareInterval& scale) {
  Html details;
  Html p;
  std::string difference = candidate.kept ? "kept" : "–";
  if (candidate.test) {
    details = small(fmt::format("{} of {}", grouped(candidate.test->correct), grouped(candidate.test->images)));
    if (candidate.without_copies && candidate.without_copies->images < candidate.test->images)
      details += small(fmt::format("{} without copies", percent_text(candidate.without_copies->accuracy())));
    if (!candidate.kept && kept.test) {
      const PairedCounts right = counts_of(result, kept.epoch, candidate.epoch);
      difference = images_words(right.only_second - right.only_first);
      p = small("p = " + probability_text(mcnemar_p(right)));
    }
  }
  const auto best = [](bool is_best) { return is_best ? "best" : ""; };
  return fill("candidates-row", {{"style", candidate.kept ? "kept" : "other"},
                                 {"epoch", epoch_name(candidate.epoch)},
                                 {"roles", roles_of(candidate)},
                                 {"loss_style", best(candidate.lowest_loss)},
                                 {"val_loss", loss_text(candidate.val_loss)},
                                 {"accuracy_style", best(candidate.highest_accuracy)},
                                 {"val_accuracy", percent_text(candidate.val_accuracy)},
                                 {"accuracy", candidate.test ? percent_text(candidate.test->accuracy()) : "–"},
                                 {"details", details},
                                 {"interval", candidate.test ? interval_mark(*candidate.test, scale) : Html()},
                                 {"loss", candidate.test ? loss_text(candidate.test->loss) : "–"},
                                 {"difference", difference},
                                 {"p", p}});
}

Html candidates_table(const RunResult& result, const RunCandidate& kept) {
  const ShareInterval scale = scale_of(result.candidates);
  Html rows;
  for (const RunCandidate& candidate : result.candidates) rows += candidate_row(result, candidate, kept, scale);
  return fill("candidates",
              {{"low", percent_text(scale.low, 0)}, {"high", percent_text(scale.high, 0)}, {"rows", rows}});
}

}  // namespace

std::vector<std::string> explanation_in_words(const ReportRun& run) {
  if (!run.result) return {};
  const RunCandidate* kept = find_candidate(*run.result, &RunCandidate::kept);
  if (kept == nullptr) return {};
  const std::vector<Rival> rivals = rivals_of(*run.result, *kept);
  std::vector<std::string> words = {verdict(*kept, rivals), best_epochs_words(*run.result), choice_words(run, *kept)};
  for (const Rival& rival : rivals) words.push_back(rival_words(*kept, rival));
  words.push_back(loss_words(*run.result));
  words.push_back(unknown_words(*run.result));
  std::erase(words, std::string());
  return words;
}

Html explanation_section(const ReportRun& run) {
  const std::vector<std::string> words = explanation_in_words(run);
  if (words.empty()) return {};
  const RunCandidate& kept = *find_candidate(*run.result, &RunCandidate::kept);
  // Which epochs there are and why this one was kept, then a paragraph for each comparison.
  Html answer = fill("paragraph", {{"text", words[1] + " " + words[2]}});
  for (size_t i = 3; i < words.size(); ++i) answer += fill("paragraph", {{"text", words[i]}});
  return fill(
      "explanation",
      {{"verdict", fill("verdict", {{"text", words[0]}})},
       {"answer", answer},
       {"table", run.result->candidates.size() > 1 && kept.test ? candidates_table(*run.result, kept) : Html()},
       {"method",
        "Intervals are Wilson's of 95 %; p is McNemar's exact test, on the images that one of the two alone gets "
        "right. These scores explain; they are not to choose by, since weights chosen by their test score would "
        "leave no test."}});
}

}  // namespace fer_ddp
