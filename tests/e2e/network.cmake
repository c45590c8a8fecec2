add_test(NAME network.command COMMAND ${TEST_DIR}/network_command $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
set_tests_properties(network.command PROPERTIES TIMEOUT 200 ENVIRONMENT "${FER_DDP_MPI_TEST_ENVIRONMENT}")
