# What people look at to check augmentation.
add_test(NAME augment_preview.command COMMAND ${TEST_DIR}/augment_preview_command $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
set_tests_properties(augment_preview.command PROPERTIES TIMEOUT 600 ENVIRONMENT "${FER_DDP_MPI_TEST_ENVIRONMENT}")
