// What an export is made of: a network and its weights, in the form in which a run leaves them. All exports take images
// as float32 [n, 1, 48, 48] of grey values from 0 to 255, whose scaling (Network::input) is part of the export, and
// give logits [n, 7] in the order of kExpressionNames. BatchNorm uses its running statistics, and dropout does nothing.
#pragma once

#include <string>

#include "core/byte_sink.h"
#include "model/safetensors.h"
#include "network/network.h"

namespace fer_ddp {

struct ExportedNetwork {
  Network network;
  StoredTensors weights;  // by the names and shapes of network_tensors()
};

inline constexpr const char* kExportInput = "pixels";
inline constexpr const char* kExportOutput = "logits";

// Throws Error (the user's fault) naming `source`, where the weights are from, and the tensor that is missing, unknown,
// or of another shape than the network's.
void require_weights_of_network(const ExportedNetwork& exported, const std::string& source);

// "Angry,Disgust,...": what the logits are of.
[[nodiscard]] std::string class_names();

// The weights by their names, which are those of a PyTorch module's state_dict, with the network's table and the class
// names in the header.
void write_weights(const ExportedNetwork& exported, const ByteSink& to);

}  // namespace fer_ddp
