// gRPC's own messages on standard error. What goes wrong becomes an Error of ours, in plain words, so by default gRPC
// says nothing itself; GRPC_VERBOSITY in the environment (DEBUG, INFO, ERROR) lets it speak. Thread-safe.
#pragma once

namespace fer_ddp {

// To be called before the first use of gRPC. Again: nothing.
void quieten_grpc();

}  // namespace fer_ddp
