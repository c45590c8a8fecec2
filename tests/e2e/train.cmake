# The real executable, as people run it. Python's standard library alone, but for the Keras case, which needs numpy.
foreach(_case run network augment distill library folder guard options placement resume checkpoints more_epochs format_1 evaluate copies reproducible errors replay candidates
              services status live_view stuck_rank waiting empty_splits diverged streams names schedule optimizers)
  add_test(NAME train.${_case} COMMAND ${TEST_DIR}/train_${_case} $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
  set_tests_properties(train.${_case} PROPERTIES TIMEOUT 600 PROCESSORS 2
    ENVIRONMENT "FER_DDP_GOLDEN_FOLDER=${CMAKE_SOURCE_DIR}/tests/golden;${FER_DDP_MPI_TEST_ENVIRONMENT}")
endforeach()
# They wait for processes to start and to end about as long as they compute: two of them at a time.
foreach(_case folder guard library options errors diverged names distill optimizers resume more_epochs empty_splits evaluate copies schedule)
  set_tests_properties(train.${_case} PROPERTIES PROCESSORS 1)
endforeach()
add_test(NAME build.is_told_apart COMMAND ${TEST_DIR}/build_hash $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE} $<TARGET_FILE:host_plugin>
  ${CMAKE_MAKE_PROGRAM})
set_tests_properties(build.is_told_apart PROPERTIES TIMEOUT 200 PROCESSORS 2 ENVIRONMENT "${FER_DDP_MPI_TEST_ENVIRONMENT}")
add_test(NAME train.keras_case COMMAND ${TEST_DIR}/train_keras_case $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE} $<TARGET_FILE:host_plugin>)
set_tests_properties(train.keras_case PROPERTIES TIMEOUT 600 PROCESSORS 2 SKIP_RETURN_CODE 77
  ENVIRONMENT "FER_DDP_GOLDEN_FOLDER=${CMAKE_SOURCE_DIR}/tests/golden;${FER_DDP_MPI_TEST_ENVIRONMENT}")
add_test(NAME train.device COMMAND ${TEST_DIR}/train_device $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
set_tests_properties(train.device PROPERTIES TIMEOUT 200 PROCESSORS 2 SKIP_RETURN_CODE 77
  ENVIRONMENT "FER_DDP_TORCH_ROOT=${FER_DDP_TORCH_ROOT};${FER_DDP_MPI_TEST_ENVIRONMENT}")
# On a disk that is slow, or full when the test wants it to be: loaded before all else, so not instrumented itself.
add_library(disk_double SHARED ${TEST_DIR}/disk_double.cpp)
target_link_libraries(disk_double PRIVATE fer_ddp_compile_options)
if(FER_DDP_SANITIZE)
  target_compile_options(disk_double PRIVATE -fno-sanitize=all)
  target_link_options(disk_double PRIVATE -fno-sanitize=all)
endif()
add_test(NAME train.writing COMMAND ${TEST_DIR}/train_writing $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
set_tests_properties(train.writing PROPERTIES TIMEOUT 600 PROCESSORS 2
  ENVIRONMENT "FER_DDP_DISK_DOUBLE=$<TARGET_FILE:disk_double>$<$<BOOL:${FER_DDP_SANITIZE}>:;ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0>")
