# Pictures as people have them, to a class and probabilities; those of odd kinds where Pillow is there to make them.
add_test(NAME predict.command COMMAND ${TEST_DIR}/predict_command $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
set_tests_properties(predict.command PROPERTIES TIMEOUT 600 ENVIRONMENT "${FER_DDP_MPI_TEST_ENVIRONMENT}")
add_test(NAME predict.odd_pictures COMMAND ${TEST_DIR}/predict_odd_pictures $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
set_tests_properties(predict.odd_pictures PROPERTIES TIMEOUT 600 PROCESSORS 2 SKIP_RETURN_CODE 77 ENVIRONMENT "${FER_DDP_MPI_TEST_ENVIRONMENT}")
