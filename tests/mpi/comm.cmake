# The communicator between real processes, and what becomes of a job when one of them hangs or fails.
fer_ddp_mpi_test(comm_mpi_test RANKS 1 2 3 4
  SOURCES ${TEST_DIR}/comm.cpp ${TEST_DIR}/comm_groups.cpp ${TEST_DIR}/hierarchical_reducer.cpp
  LINKS fer_ddp_comm)
add_executable(comm_scenario ${TEST_DIR}/comm_scenario.cpp)
target_link_libraries(comm_scenario PRIVATE fer_ddp_comm fer_ddp_compile_options)
add_test(NAME comm.faults COMMAND ${TEST_DIR}/comm_faults $<TARGET_FILE:comm_scenario> ${MPIEXEC_EXECUTABLE})
set_tests_properties(comm.faults PROPERTIES TIMEOUT 200 PROCESSORS 2
  ENVIRONMENT "PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/e2e;${FER_DDP_MPI_TEST_ENVIRONMENT}")
