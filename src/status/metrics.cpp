#include "status/metrics.h"

#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

namespace fer_ddp {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

namespace {

using Labels = std::vector<ClientMetric::Label>;

constexpr std::array<std::pair<RunPhase, const char*>, 6> kPhases = {{{RunPhase::kStarting, "starting"},
                                                                      {RunPhase::kTraining, "training"},
                                                                      {RunPhase::kEvaluating, "evaluating"},
                                                                      {RunPhase::kCheckpointing, "checkpointing"},
                                                                      {RunPhase::kTesting, "testing"},
                                                                      {RunPhase::kDone, "done"}}};

// Gathers families; each sample gets the label `run`.
class Families {
 public:
  explicit Families(std::string run) : run_(std::move(run)) {}

  // Opens a family: the samples that follow belong to it.
  Families& gauge(const std::string& name, const std::string& help) { return open(MetricType::Gauge, name, help); }
  Families& counter(const std::string& name, const std::string& help) { return open(MetricType::Counter, name, help); }

  Families& sample(std::optional<double> value, Labels labels = {}) {
    if (!value || std::isnan(*value)) return *this;
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.label.insert(metric.label.begin(), {.name = "run", .value = run_});
    metric.gauge.value = metric.counter.value = *value;
    families_.back().metric.push_back(std::move(metric));
    return *this;
  }

  // A family without samples is left out.
  std::vector<MetricFamily> take() {
    std::erase_if(families_, [](const MetricFamily& family) { return family.metric.empty(); });
    return std::move(families_);
  }

 private:
  Families& open(MetricType type, const std::string& name, const std::string& help) {
    families_.push_back({.name = "fer_ddp_" + name, .help = help, .type = type, .metric = {}});
    return *this;
  }

  std::string run_;
  std::vector<MetricFamily> families_;
};

void add_facts(const Config& config, const StatusSnapshot& snapshot, Families& families) {
  families.gauge("run_info", "Always 1; its labels are the run's configuration.")
      .sample(1, {{"model", config.model},
                  {"optimizer", choice_word(config.optimizer)},
                  {"precision", choice_word(config.precision)},
                  {"batch_size", std::to_string(config.batch_size)}});
  families.gauge("ranks", "Ranks that train together.").sample(static_cast<double>(snapshot.ranks.size()));
  families.gauge("rank_info", "Always 1; its labels are where each rank runs.");
  for (const RankPlace& place : snapshot.ranks)
    families.sample(1, {{"rank", std::to_string(place.rank)}, {"host", place.host}, {"device", place.device}});
}

void add_position(const StatusSnapshot& snapshot, Families& families) {
  families.gauge("phase", "1 for what the run is doing, 0 for what it is not.");
  for (const auto& [phase, name] : kPhases) families.sample(snapshot.phase == phase ? 1 : 0, {{"phase", name}});
  families.gauge("elapsed_seconds", "Since this process began to train.").sample(snapshot.elapsed_seconds);
  families.gauge("remaining_seconds", "Until the last epoch, if nothing stops the run before.")
      .sample(snapshot.eta_seconds);
  families.gauge("epochs_limit", "The most epochs that the run takes.").sample(snapshot.epochs);
  if (snapshot.steps_per_epoch == 0) return;  // no step yet: where a resumed run stands is not known
  families.gauge("epoch", "The epoch in progress, from 0.").sample(snapshot.epoch);
  families.gauge("step", "Steps done of this epoch.").sample(static_cast<double>(snapshot.step));
  families.gauge("steps_per_epoch", "Steps of an epoch.").sample(static_cast<double>(snapshot.steps_per_epoch));
  families.counter("steps_total", "Steps done since the run's beginning, before a resume included.")
      .sample(static_cast<double>(snapshot.epoch * snapshot.steps_per_epoch + snapshot.step));
  families.gauge("learning_rate", "Learning rate of the latest step.").sample(snapshot.learning_rate);
  families.gauge("images_per_second", "Training images a second over all ranks, lately.")
      .sample(snapshot.images_per_second);
  families.gauge("running_loss", "Mean over this epoch's training images so far.").sample(snapshot.loss);
  families.gauge("running_accuracy_ratio", "Likewise, from 0 to 1.").sample(snapshot.accuracy);
}

void add_losses(const std::optional<EpochRecord>& epoch, Families& families) {
  if (!epoch) return;
  families.sample(epoch->loss, {{"split", "train"}}).sample(epoch->val_loss, {{"split", "validation"}});
}

void add_accuracies(const std::optional<EpochRecord>& epoch, Families& families) {
  if (!epoch) return;
  families.sample(epoch->accuracy, {{"split", "train"}}).sample(epoch->val_accuracy, {{"split", "validation"}});
}

std::optional<double> number_of(const std::optional<EpochRecord>& epoch) {
  return epoch ? std::optional<double>(epoch->epoch) : std::nullopt;
}

void add_results(const StatusSnapshot& snapshot, Families& families) {
  const std::optional<EpochRecord>& latest = snapshot.latest_epoch;
  families.counter("epochs_total", "Epochs finished since the run's beginning, before a resume included.")
      .sample(latest ? latest->epoch + 1 : 0);
  families.gauge("epoch_duration_seconds", "The latest finished epoch's, with its evaluation.");
  if (latest) families.sample(latest->seconds);
  families.gauge("loss", "Of the latest finished epoch.");
  add_losses(latest, families);
  families.gauge("accuracy_ratio", "Of the latest finished epoch, from 0 to 1.");
  add_accuracies(latest, families);
  families.gauge("best_loss", "Of the epoch whose validation loss is the lowest so far.");
  add_losses(snapshot.best_epoch_by_loss, families);
  families.gauge("best_loss_epoch", "That epoch, from 0.").sample(number_of(snapshot.best_epoch_by_loss));
  families.gauge("best_accuracy_ratio", "Of the epoch whose validation accuracy is the highest so far.");
  add_accuracies(snapshot.best_epoch_by_accuracy, families);
  families.gauge("best_accuracy_epoch", "That epoch, from 0.").sample(number_of(snapshot.best_epoch_by_accuracy));
}

}  // namespace

std::vector<MetricFamily> metric_families(const Config& config, const StatusSnapshot& snapshot) {
  Families families(snapshot.run);
  add_facts(config, snapshot, families);
  add_position(snapshot, families);
  add_results(snapshot, families);
  return families.take();
}

}  // namespace fer_ddp
