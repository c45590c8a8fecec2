# Sweeps, as people run them: through the real executable, on synthesized faces.
foreach(_case resume together troubles)
  add_test(NAME sweep.${_case} COMMAND ${TEST_DIR}/sweep_${_case} $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE})
  set_tests_properties(sweep.${_case} PROPERTIES TIMEOUT 600 ENVIRONMENT "${FER_DDP_MPI_TEST_ENVIRONMENT}")
endforeach()
