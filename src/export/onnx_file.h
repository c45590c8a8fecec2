// ONNX (onnx.ai), operator set 17: a network's layers as nodes, its weights as initializers by their own names. Free of
// torch, and nothing of protobuf's in this header.
#pragma once

#include "export/exported_network.h"

namespace fer_ddp {

// A whole file, whose bytes depend on the arguments alone: input "pixels", output "logits", any number of images. The
// model's metadata names the classes. Throws Error (the user's fault) for more than the 2 GB that the format can hold.
void write_onnx(const ExportedNetwork& exported, const ByteSink& to);

}  // namespace fer_ddp
