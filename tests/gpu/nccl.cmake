# The objects of the CUDA plug-in that talk to NCCL, linked to doubles of NCCL and of the CUDA runtime: no GPU is needed.
if(TARGET fer_ddp_nccl)
  add_library(fer_ddp_nccl_doubles STATIC ${TEST_DIR}/doubles/cudart_double.cpp ${TEST_DIR}/doubles/nccl_double.cpp)
  target_link_libraries(fer_ddp_nccl_doubles PUBLIC nvidia::headers Threads::Threads PRIVATE fer_ddp_compile_options)

  fer_ddp_mpi_test(nccl_reducer_mpi_test RANKS 1 2 3 4
    SOURCES ${TEST_DIR}/nccl_reducer.cpp
    LINKS fer_ddp_nccl fer_ddp_comm fer_ddp_nccl_doubles)

  fer_ddp_test(graph_recorder_test SOURCES ${TEST_DIR}/graph_recorder.cpp ${CMAKE_SOURCE_DIR}/src/cuda/graph_recorder.cpp
    LINKS fer_ddp_core)
  target_include_directories(graph_recorder_test PRIVATE ${CMAKE_BINARY_DIR}/rooms/cuda)

  # The times of kernels, over a double of CUPTI.
  fer_ddp_test(cupti_clock_test
    SOURCES ${TEST_DIR}/cupti_clock.cpp ${TEST_DIR}/doubles/cupti_double.cpp ${CMAKE_SOURCE_DIR}/src/cuda/cuda_error.cpp
            ${CMAKE_SOURCE_DIR}/src/cuda/cupti_clock.cpp ${CMAKE_SOURCE_DIR}/src/cuda/kernel_records.cpp
    LINKS fer_ddp_core fer_ddp_nccl_doubles)
  target_include_directories(cupti_clock_test PRIVATE ${CMAKE_BINARY_DIR}/rooms/cuda ${CMAKE_BINARY_DIR}/rooms/step ${TEST_DIR})

  add_executable(nccl_scenario ${TEST_DIR}/nccl_scenario.cpp)
  target_link_libraries(nccl_scenario PRIVATE fer_ddp_nccl fer_ddp_nccl_doubles fer_ddp_comm fer_ddp_compile_options)
  target_include_directories(nccl_scenario PRIVATE ${CMAKE_SOURCE_DIR})
  add_test(NAME nccl.faults COMMAND ${TEST_DIR}/nccl_faults $<TARGET_FILE:nccl_scenario> ${MPIEXEC_EXECUTABLE})
  set_tests_properties(nccl.faults PROPERTIES TIMEOUT 200 PROCESSORS 2
    ENVIRONMENT "PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/e2e;${FER_DDP_MPI_TEST_ENVIRONMENT}")

  # The same objects with the real libraries: what they say without a driver, and a sum where there is a GPU.
  fer_ddp_test(nccl_real_test MAY_SKIP SOURCES ${TEST_DIR}/nccl_real.cpp LINKS fer_ddp_nccl fer_ddp_comm nvidia::nccl nvidia::cudart)
  target_include_directories(nccl_real_test PRIVATE ${CMAKE_SOURCE_DIR})
else()
  message(STATUS "Tests of the NCCL reducer are left out: NVIDIA's headers are not there (cluster/setup/install_dependencies --cuda)")
endif()
