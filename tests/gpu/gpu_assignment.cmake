# The launcher's choice of a GPU, over plug-ins that only say what each rank sees.
fer_ddp_mpi_test(gpu_assignment_mpi_test RANKS 1 2 3 4
  SOURCES ${TEST_DIR}/gpu_assignment.cpp ${CMAKE_SOURCE_DIR}/launcher/gpu_assignment.cpp
  LINKS fer_ddp_train)
set_target_properties(gpu_assignment_mpi_test PROPERTIES BUILD_RPATH ${FER_DDP_TORCH_ROOT}/torch/lib)
