fer_ddp_mpi_test(train_mpi_test RANKS 1 2 3 4
  SOURCES ${TEST_DIR}/train.cpp ${TEST_DIR}/device_step.cpp
  GROUPED ${TEST_DIR}/checkpoints.cpp ${TEST_DIR}/distillation.cpp ${TEST_DIR}/divergence.cpp ${TEST_DIR}/random_networks.cpp
  LINKS fer_ddp_train host_kernels)
set_target_properties(train_mpi_test PROPERTIES BUILD_RPATH ${FER_DDP_TORCH_ROOT}/torch/lib)
# LibTorch's record_function.h lays its class out by it, and the library was built with it.
set_source_files_properties(${TEST_DIR}/device_step.cpp PROPERTIES COMPILE_DEFINITIONS NDEBUG)
