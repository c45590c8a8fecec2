#include "core/option_table.h"

#include <utility>

namespace fer_ddp {

namespace {

// What a resumed run may change: how long and where it goes on, how it is watched and saved; never what the epochs
// behind it were.
Option free_on_resume(Option option) {
  option.free_on_resume = true;
  return option;
}

Option free_unless_scheduled(Option option) {
  option.fixed_by_schedule = true;
  return free_on_resume(std::move(option));
}

}  // namespace

std::span<const Option> option_table() {
  constexpr Range kPositive{.low = 0, .low_excluded = true};
  constexpr Range kNotNegative{.low = 0};
  constexpr Range kAtLeastOne{.low = 1};
  constexpr Range kShare{.low = 0, .high = 1};
  constexpr Range kBelowOne{.low = 0, .high = 1, .high_excluded = true};
  constexpr Range kPixels{.low = 0, .high = 48};
  constexpr Range kBetaParameter{.low = 0, .high = 100};
  static const std::vector<Option> kTable = {
      {"learning_rate", &Config::learning_rate, "learning rate of the first epoch", kPositive},
      {"loss", &Config::loss, "what is minimised"},
      free_unless_scheduled({"epochs", &Config::epochs, "most passes over the training images", kAtLeastOne}),
      {"batch_size", &Config::batch_size,
       "global batch: images a step over all ranks, so a run is the same at any world size", kAtLeastOne},
      free_on_resume({"early_stopping_patience", &Config::early_stopping_patience,
                      "epochs without improvement before training stops (0 acts as 1); null: off", kNotNegative}),
      free_on_resume({"lr_patience", &Config::lr_patience,
                      "epochs without improvement before the learning rate is reduced (0 acts as 1); null: off",
                      kNotNegative}),
      {"lr_reduction_factor",
       &Config::lr_reduction_factor,
       "what the learning rate is multiplied by",
       {.low = 0, .high = 1, .low_excluded = true, .high_excluded = true}},
      {"optimizer", &Config::optimizer,
       "update rule, each as Keras defines it; Muon: filters of more than one channel by Newton-Schulz, all else by "
       "SGD"},
      {"num_classes", &Config::num_classes, "expressions told apart; FER2013 has 7", {.low = 7, .high = 7}},
      {"input_shape", &Config::input_shape, "height, width, channels of an image; FER2013 has [48, 48, 1]"},
      {"shuffle", &Config::shuffle, "draw a new order of the training images each epoch"},
      free_on_resume({"restore_best_weights", &Config::restore_best_weights,
                      "end with the weights of the epoch whose monitored metric was best, not the last one's"}),
      {"monitor", &Config::monitor, "metric that early stopping and the plateau look at; its direction follows"},
      {"early_stopping_min_delta", &Config::early_stopping_min_delta, "smallest change that counts as an improvement",
       kNotNegative},
      {"early_stopping_start_from_epoch", &Config::early_stopping_start_from_epoch,
       "epochs before this one are not looked at", kNotNegative},
      {"lr_min_delta", &Config::lr_min_delta,
       "smallest change that counts as an improvement for the plateau (absolute)", kNotNegative},
      {"lr_cooldown", &Config::lr_cooldown, "epochs to wait after a reduction before counting again", kNotNegative},
      {"min_learning_rate", &Config::min_learning_rate, "the plateau never goes below this", kNotNegative},
      {"schedule", &Config::schedule,
       "the learning rate from step to step, times what the plateau leaves of it; with another than constant, "
       "early_stopping_patience, lr_patience and restore_best_weights are off unless given"},
      {"warm_up_epochs", &Config::warm_up_epochs, "epochs in which the learning rate rises from 0, step by step",
       kNotNegative},
      {"final_learning_rate", &Config::final_learning_rate,
       "the last step's, at which cosine (half a wave) and one_cycle (a straight line) arrive", kNotNegative},
      free_on_resume({"terminate_on_nan", &Config::terminate_on_nan,
                      "end the run as diverged once its training loss or its weights are not finite; false: go on, as "
                      "Keras does without its callback of that name"}),
      free_on_resume({"name", &Config::name, "the run's name; empty: the config file's stem"}),
      free_on_resume({"output", &Config::output, "the run's folder; empty: runs/NAME"}),
      free_on_resume(
          {"data", &Config::data,
           "required: a folder of shards, or an input (a CSV file, a folder of pictures, an archive of either), "
           "preprocessed once into OUTPUT/shards"}),
      {"split", &Config::split,
       "seed: 70/20/10 % in the order of rows; official: by the Usage column, or what "
       "pictures' folders and names say"},
      {"model", &Config::model, "network: a built-in one, as `fer-ddp network` names them, or a .json file"},
      {"dropout",
       &Config::dropout,
       "share of values dropped in training, of every dropout layer of the network; null: as its table says",
       {.low = 0, .high = 1, .high_excluded = true}},
      {"init", &Config::init,
       "glorot_uniform (Keras'), uniform_fan_in (PyTorch's), or a .safetensors file to start from"},
      {"batch_norm", &Config::batch_norm, "statistics over the global batch, or local to each rank"},
      {"label_smoothing",
       &Config::label_smoothing,
       "share of each target spread evenly over all classes",
       {.low = 0, .high = 1, .high_excluded = true}},
      {"momentum", &Config::momentum, "SGD's momentum, and Muon's of the filters", kBelowOne},
      {"nesterov", &Config::nesterov, "SGD looks ahead by its momentum, as Muon always does"},
      {"weight_decay", &Config::weight_decay,
       "AdamW's and, of the filters, Muon's: decoupled; SGD's: added to the gradient; null: 0.004 for AdamW, 0 for the "
       "others",
       kNotNegative},
      {"decay_biases", &Config::decay_biases, "weight decay is of biases and BatchNorm's weights as well"},
      {"gradient_clip_norm", &Config::gradient_clip_norm,
       "the gradient is scaled down to this norm, of all weights together, where it is larger; null: off", kPositive},
      {"other_learning_rate", &Config::other_learning_rate,
       "Muon's of what it leaves to SGD; schedule and plateau lower it alike", kNotNegative},
      {"other_momentum", &Config::other_momentum, "Muon's, by Nesterov, of what it leaves to SGD", kBelowOne},
      {"other_weight_decay", &Config::other_weight_decay, "Muon's of what it leaves to SGD, added to the gradient",
       kNotNegative},
      {"average_weights", &Config::average_weights,
       "decay of a running average of the weights, by which the run is then judged, and with which it ends; null: off",
       kBelowOne},
      {"random_seed", &Config::random_seed, "key of every random stream: initialisation, shuffling, dropout",
       kNotNegative},
      {"augment", &Config::augment,
       "how training changes its images, anew each epoch: a preset's numbers; those below, where they are not null, "
       "take the place of its own"},
      {"augment_flip", &Config::augment_flip, "share of the images that are mirrored", kShare},
      {"augment_rotation", &Config::augment_rotation, "most degrees to either side", {.low = 0, .high = 180}},
      {"augment_scale", &Config::augment_scale, "most to either side of 1", kBelowOne},
      {"augment_aspect", &Config::augment_aspect,
       "how much more the width is scaled than the height: most to either side of 1", kBelowOne},
      {"augment_shift", &Config::augment_shift, "most pixels, across and down", kPixels},
      {"augment_contrast", &Config::augment_contrast,
       "most to either side of 1, of what the network's input is multiplied by", kShare},
      {"augment_brightness",
       &Config::augment_brightness,
       "most that is added to the network's input, to either side",
       {.low = 0, .high = 10}},
      {"augment_erase_side", &Config::augment_erase_side, "pixels: side of the square that is set to 0", kPixels},
      {"augment_erase_share", &Config::augment_erase_share, "share of the images that lose such a square", kShare},
      {"augment_mixup", &Config::augment_mixup,
       "both parameters of the beta distribution that a batch's weight is drawn from, by which its images and their "
       "targets are blended with others of the batch; 0: off",
       kBetaParameter},
      {"augment_cutmix", &Config::augment_cutmix,
       "the same, where a rectangle of another image takes an image's place; with both, half of the batches each",
       kBetaParameter},
      {"finish_epochs", &Config::finish_epochs,
       "the last epochs, which change their images gently: flips, shifts of 2 pixels at most, half the contrast, "
       "brightness and label smoothing, and nothing else",
       kNotNegative},
      {"distill_from", &Config::distill_from,
       "the folder of a run that has ended, or a list of them, whose mean prediction is a second target; RUN/teachers "
       "keeps their weights"},
      {"distill_weight",
       &Config::distill_weight,
       "the share of the loss that is against the prediction of distill_from; the targets' own share is the rest",
       {.low = 0, .high = 1, .low_excluded = true}},
      {"distill_temperature",
       &Config::distill_temperature,
       "what the logits of both sides are divided by in that share, which is multiplied by its square",
       {.low = 0, .high = 100, .low_excluded = true}},
      free_on_resume({"test_time_augmentation", &Config::test_time_augmentation,
                      "views of a test image whose mean probabilities count: itself; flip: its mirror image too; "
                      "views18: shifts of -3, 0 and 3 pixels down and across, each as it is and mirrored; val_loss is "
                      "always of the image itself"}),
      free_on_resume({"comment", &Config::comment, "free text, which nothing reads"}),
      free_on_resume({"device", &Config::device, "auto: a GPU where there is one"}),
      {"precision", &Config::precision,
       "of the convolutions and dense layers; weights and updates stay fp32, but Muon's products on a GPU are TF32 "
       "unless this is fp32; bf16 on a CPU is for processors with AMX: the fused step takes it for the larger "
       "convolutions and fp32 for the rest, and without AMX the step is autograd"},
      {"convolutions", &Config::convolutions,
       "of the fused step on a GPU: this project's kernels (own) or cuDNN's; auto: own, but for passes of large ones "
       "in which cuDNN is found quicker at the start; a run's checkpoints hold what was found"},
      free_on_resume({"gradient_all_reduce", &Config::gradient_all_reduce,
                      "what GPUs sum gradients as; bf16: half the bytes go over, and each sum is rounded"}),
      free_on_resume({"step", &Config::step,
                      "fused: this project's own kernels, a GPU's where device is cuda, else the CPU's; autograd: "
                      "LibTorch's; auto: "
                      "fused where it can"}),
      {"cuda_graph", &Config::cuda_graph, "on a GPU, record the training step once and replay it"},
      free_on_resume({"threads", &Config::threads, "a rank; 0: the cores of the node shared fairly between its ranks",
                      kNotNegative}),
      free_on_resume({"collective_timeout_seconds", &Config::collective_timeout_seconds,
                      "longest wait for the other ranks before the job is ended", kPositive}),
      free_on_resume({"checkpoint_every_epochs", &Config::checkpoint_every_epochs, "null: not by epochs", kAtLeastOne}),
      free_on_resume({"checkpoint_every_seconds", &Config::checkpoint_every_seconds,
                      "within an epoch, by rank 0's clock; null: not by time", kPositive}),
      free_on_resume({"keep_checkpoints", &Config::keep_checkpoints, "older ones are removed", kAtLeastOne}),
      free_on_resume({"status_address", &Config::status_address,
                      "where the status service listens; port 0: any free, see RUN/status.json; null: off"}),
      free_on_resume(
          {"status_tls_certificate", &Config::status_tls_certificate,
           "PEM file: the service speaks TLS; needed on anything but loopback, with a token or a client CA"}),
      free_on_resume({"status_tls_key", &Config::status_tls_key, "PEM file of the certificate's key"}),
      free_on_resume({"status_tls_client_ca", &Config::status_tls_client_ca,
                      "PEM file; clients must show a certificate signed by it"}),
      free_on_resume({"status_token_file", &Config::status_token_file,
                      "file whose first line a client must send as bearer token; closed to other users"}),
      free_on_resume(
          {"metrics_address", &Config::metrics_address,
           "where Prometheus may scrape /metrics, such as 127.0.0.1:9464, by plain HTTP; port 0: any free, see "
           "RUN/status.json; null: off"}),
      free_on_resume({"metrics_in_the_clear", &Config::metrics_in_the_clear,
                      "lets metrics_address be other than loopback, for whoever reaches it to read"}),
  };
  return kTable;
}

}  // namespace fer_ddp
