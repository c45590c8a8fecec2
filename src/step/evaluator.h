// Loss and confusion matrix of a model on a split, each rank over its own rows, summed: sums are reduced, averages
// never averaged.
#pragma once

#include "comm/communicator.h"
#include "core/config.h"
#include "core/evaluation.h"
#include "core/prediction.h"
#include "data/dataset.h"
#include "model/model.h"
#include "step/training_step.h"

namespace fer_ddp {

// This rank's rows alone; `predictions` as TrainingStep::evaluate_each() takes them.
[[nodiscard]] EvaluationSums evaluate_rows(Model& model, const SplitView& split, PositionRange rows,
                                           double label_smoothing, std::span<ImagePrediction> predictions = {});

// This rank's rows alone: the probabilities that TrainingStep::probabilities() is to give.
[[nodiscard]] std::vector<float> probabilities_of_rows(Model& model, const SplitView& split, PositionRange rows,
                                                       const ImageView& view);

// Collective. The sums over the views of TrainingStep::probabilities(), of this rank's rows alone: [rows][expressions].
[[nodiscard]] std::vector<double> summed_probabilities(TrainingStep& step, const Dataset& dataset, Split split,
                                                       PositionRange rows, const std::vector<ImageView>& views);

// Collective. Every rank gets the whole split's evaluation of the weights that the step holds, by the step's own
// arithmetic: training and `fer-ddp evaluate` get the same numbers. BatchNorm uses its running statistics, dropout is
// off.
[[nodiscard]] Evaluation evaluate(TrainingStep& step, const Dataset& dataset, Split split, Communicator& communicator);

// The same with Evaluation::without_copies: the rows that are copies of training rows (Dataset::copies) are evaluated
// apart from the others, each row once. Of a split with copies it takes longer, since the rows come in short runs. Of
// the training split, evaluate().
[[nodiscard]] Evaluation evaluate_copies_apart(TrainingStep& step, const Dataset& dataset, Split split,
                                               Communicator& communicator);

struct EvaluatedImages {
  Evaluation evaluation;
  std::vector<ImagePrediction> predictions;  // of all rows of the split, in their order
};

// The same of the mean probabilities over the views that config.test_time_augmentation names, all of an image's views
// by the step's own arithmetic; none but the image itself: evaluate_copies_apart(). With what is said of each image.
[[nodiscard]] EvaluatedImages evaluate_images(TrainingStep& step, const Dataset& dataset, Split split,
                                              Communicator& communicator, const Config& config);

// evaluate_images() without the images.
[[nodiscard]] Evaluation evaluate_views(TrainingStep& step, const Dataset& dataset, Split split,
                                        Communicator& communicator, const Config& config);

}  // namespace fer_ddp
