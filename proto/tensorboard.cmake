# TensorBoard's event messages. Generated code is compiled without our warnings, and its headers are system headers to those who link it.
add_library(fer_ddp_tensorboard_proto STATIC)
protobuf_generate(
  TARGET fer_ddp_tensorboard_proto
  LANGUAGE cpp
  IMPORT_DIRS ${CMAKE_CURRENT_SOURCE_DIR}
  PROTOC_OUT_DIR ${CMAKE_CURRENT_BINARY_DIR}
  PROTOS ${CMAKE_CURRENT_SOURCE_DIR}/fer_ddp/tensorboard/event.proto)
target_include_directories(fer_ddp_tensorboard_proto SYSTEM PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
target_link_libraries(fer_ddp_tensorboard_proto PUBLIC protobuf::libprotobuf)
