# The range test of the learning rate; on the real file where FER2013_CSV names it.
add_test(NAME lr_find.command COMMAND ${TEST_DIR}/lr_find_command $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
set_tests_properties(lr_find.command PROPERTIES TIMEOUT 600 PROCESSORS 2 ENVIRONMENT "${FER_DDP_MPI_TEST_ENVIRONMENT}")
add_test(NAME lr_find.real_file COMMAND ${TEST_DIR}/lr_find_real_file $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
set_tests_properties(lr_find.real_file PROPERTIES TIMEOUT 600 PROCESSORS 2 SKIP_RETURN_CODE 77 ENVIRONMENT "${FER_DDP_MPI_TEST_ENVIRONMENT}")
