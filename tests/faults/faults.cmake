# A few tries of each fault; by hand `tests/faults/run` makes 200 kills and ten tries of the others.
add_test(NAME faults.a_few COMMAND ${TEST_DIR}/run --fer-ddp $<TARGET_FILE:fer-ddp> --mpiexec ${MPIEXEC_EXECUTABLE} --kills 6 --tries 1)
set_tests_properties(faults.a_few PROPERTIES TIMEOUT 600 PROCESSORS 2 ENVIRONMENT "${FER_DDP_MPI_TEST_ENVIRONMENT}")
