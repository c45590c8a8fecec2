# Several hosts: network namespaces (rig.py). Each test is skipped, and says why, where it may not make any.
add_executable(hosts_mpi_test ${CMAKE_SOURCE_DIR}/tests/mpi/main.cpp ${CMAKE_SOURCE_DIR}/tests/mpi/comm.cpp ${TEST_DIR}/node.cpp)
target_link_libraries(hosts_mpi_test PRIVATE fer_ddp_comm fer_ddp_compile_options GTest::gtest GTest::gmock)
target_include_directories(hosts_mpi_test PRIVATE ${CMAKE_SOURCE_DIR})

foreach(_case communicator:hosts_mpi_test unusable_network:comm_scenario training:fer-ddp cut_link:fer-ddp cut_watcher:fer-ddp lost_rank:fer-ddp)
  string(REPLACE ":" ";" _case_and_program ${_case})
  list(GET _case_and_program 0 _case)
  list(GET _case_and_program 1 _program)
  add_test(NAME hosts.${_case} COMMAND ${TEST_DIR}/${_case} $<TARGET_FILE:${_program}> ${MPIEXEC_EXECUTABLE})
  set_tests_properties(hosts.${_case} PROPERTIES TIMEOUT 200 PROCESSORS 2 SKIP_RETURN_CODE 77 LABELS hosts
    ENVIRONMENT "PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/e2e;${FER_DDP_MPI_TEST_ENVIRONMENT}")
endforeach()
