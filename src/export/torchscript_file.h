// TorchScript, which torch.jit.load() of Python and torch::jit::load() of C++ read. Part of the training library, with
// LibTorch; this header is free of it.
#pragma once

#include "export/exported_network.h"

namespace fer_ddp {

// A whole file. The module's parameters and buffers have the weights' names, so that its state_dict is that of the
// network written as a PyTorch module. Throws Error (the user's fault) for a layer whose name no module can have.
void write_torchscript(const ExportedNetwork& exported, const ByteSink& to);

}  // namespace fer_ddp
