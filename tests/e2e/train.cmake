# The real executable, as people run it. Python's standard library alone, but for the Keras case, which needs numpy.
foreach(_case run network augment distill library folder guard options placement resume checkpoints more_epochs format_1 evaluate copies reproducible errors replay candidates
              services status live_view stuck_rank waiting empty_splits diverged streams names schedule optimizers)
  add_test(NAME train.${_case} COMMAND ${TEST_DIR}/train_${_case} $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
  set_tests_properties(train.${_case} PROPERTIES TIMEOUT 600 PROCESSORS 2
    ENVIRONMENT "FER_DDP_GOLDEN_FOLDER=${CMAKE_SOURCE_DIR}/tests/golden;${FER_DDP_MPI_TEST_ENVIRONMENT}")
endforeach()
add_test(NAME build.is_told_apart COMMAND ${TEST_DIR}/build_hash $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE} $<TARGET_FILE:host_plugin>
  ${CMAKE_MAKE_PROGRAM})
set_tests_properties(build.is_told_apart PROPERTIES TIMEOUT 200 PROCESSORS 2 ENVIRONMENT "${FER_DDP_MPI_TEST_ENVIRONMENT}")
add_test(NAME train.keras_case COMMAND ${TEST_DIR}/train_keras_case $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
set_tests_properties(train.keras_case PROPERTIES TIMEOUT 600 PROCESSORS 2 SKIP_RETURN_CODE 77
  ENVIRONMENT "FER_DDP_GOLDEN_FOLDER=${CMAKE_SOURCE_DIR}/tests/golden;${FER_DDP_MPI_TEST_ENVIRONMENT}")
add_test(NAME train.device COMMAND ${TEST_DIR}/train_device $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
set_tests_properties(train.device PROPERTIES TIMEOUT 200 PROCESSORS 2 SKIP_RETURN_CODE 77
  ENVIRONMENT "FER_DDP_TORCH_ROOT=${FER_DDP_TORCH_ROOT};${FER_DDP_MPI_TEST_ENVIRONMENT}")
