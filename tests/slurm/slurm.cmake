# The batch scripts of cluster/slurm on a Slurm of the test's own. Skipped, with the reason, without root or without Slurm's packages.
foreach(_case launch requeue lost_node gpus sweep_array)
  add_test(NAME slurm.${_case} COMMAND ${TEST_DIR}/${_case} $<TARGET_FILE:fer-ddp>)
  set_tests_properties(slurm.${_case} PROPERTIES TIMEOUT 400 PROCESSORS 2 SKIP_RETURN_CODE 77
    ENVIRONMENT "PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/e2e;${FER_DDP_MPI_TEST_ENVIRONMENT}")
endforeach()
