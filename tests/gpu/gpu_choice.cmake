# The launcher's choice of a GPU, over accelerators that only say what each rank sees.
fer_ddp_mpi_test(gpu_choice_mpi_test RANKS 1 2 3 4
  SOURCES ${TEST_DIR}/gpu_choice.cpp ${CMAKE_SOURCE_DIR}/launcher/gpu_choice.cpp
  LINKS fer_ddp_train)
set_target_properties(gpu_choice_mpi_test PROPERTIES BUILD_RPATH ${FER_DDP_TORCH_ROOT}/torch/lib)
