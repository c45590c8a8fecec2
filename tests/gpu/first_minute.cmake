# What only a GPU can show (tests/gpu/run is how people call it); without one it is reported as skipped.
add_test(NAME gpu.first_minute COMMAND ${TEST_DIR}/first_minute --fer-ddp $<TARGET_FILE:fer-ddp> --mpiexec ${MPIEXEC_EXECUTABLE}
  --report ${CMAKE_BINARY_DIR}/gpu-report.md)
set_tests_properties(gpu.first_minute PROPERTIES LABELS gpu TIMEOUT 1800 PROCESSORS 2 SKIP_RETURN_CODE 77)

# The executable on device=cuda with the host's memory in a GPU's place.
add_library(host_plugin MODULE ${TEST_DIR}/host_plugin.cpp $<TARGET_OBJECTS:fer_ddp_build_hash>)
target_include_directories(host_plugin PRIVATE ${CMAKE_SOURCE_DIR} $<TARGET_PROPERTY:fer_ddp_step,INTERFACE_INCLUDE_DIRECTORIES>
  $<TARGET_PROPERTY:fer_ddp_model,INTERFACE_INCLUDE_DIRECTORIES> $<TARGET_PROPERTY:fer_ddp_comm,INTERFACE_INCLUDE_DIRECTORIES>)
target_link_libraries(host_plugin PRIVATE torch::torch_cpu host_kernels fer_ddp_core fer_ddp_compile_options)
set_target_properties(host_plugin PROPERTIES CXX_VISIBILITY_PRESET hidden BUILD_RPATH ${FER_DDP_TORCH_ROOT}/torch/lib)
add_test(NAME gpu.dry_run COMMAND ${TEST_DIR}/first_minute --fer-ddp $<TARGET_FILE:fer-ddp> --mpiexec ${MPIEXEC_EXECUTABLE}
  --host-plugin $<TARGET_FILE:host_plugin> --report ${CMAKE_BINARY_DIR}/dry-run-report.md --checked-images 200 --kernel-images $<IF:$<BOOL:${FER_DDP_SANITIZE}>,20,40> --timeout 3)
# How its pace would be measured and printed, likewise.
add_test(NAME gpu.pace_dry_run COMMAND ${TEST_DIR}/pace_dry_run $<TARGET_FILE:fer-ddp> $<TARGET_FILE:host_plugin>)
add_test(NAME gpu.device_errors COMMAND ${TEST_DIR}/device_errors $<TARGET_FILE:fer-ddp> ${MPIEXEC_EXECUTABLE} $<TARGET_FILE:host_plugin>)
set_tests_properties(gpu.dry_run gpu.pace_dry_run gpu.device_errors PROPERTIES TIMEOUT 600
  ENVIRONMENT "PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/e2e;${FER_DDP_MPI_TEST_ENVIRONMENT}")
# Ranks are to end within seconds of one that hangs.
set_tests_properties(gpu.device_errors PROPERTIES PROCESSORS 2)
