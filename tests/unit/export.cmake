# Two programs, because the ONNX checker's headers are protobuf's, and LibTorch's include folder has others of those.
fer_ddp_test(export_test
  SOURCES ${TEST_DIR}/export.cpp
  LINKS fer_ddp_export onnx::proto ${FER_DDP_ONNX_CHECKER})
target_include_directories(export_test PRIVATE ${CMAKE_SOURCE_DIR})
fer_ddp_test(torchscript_test
  SOURCES ${TEST_DIR}/torchscript.cpp
  LINKS fer_ddp_torchscript fer_ddp_step)
target_include_directories(torchscript_test PRIVATE ${CMAKE_SOURCE_DIR})
set_target_properties(torchscript_test PROPERTIES BUILD_RPATH ${FER_DDP_TORCH_ROOT}/torch/lib)
