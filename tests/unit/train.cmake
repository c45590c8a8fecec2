fer_ddp_test(kernels_test
  SOURCES ${TEST_DIR}/kernels.cpp
  LINKS fer_ddp_model)
fer_ddp_test(optimizer_test
  SOURCES ${TEST_DIR}/optimizer.cpp
  LINKS fer_ddp_optim)
fer_ddp_test(model_test
  SOURCES ${TEST_DIR}/model.cpp ${TEST_DIR}/safetensors.cpp
  LINKS fer_ddp_step)
fer_ddp_test(train_test
  SOURCES ${TEST_DIR}/decisions.cpp ${TEST_DIR}/fused_network.cpp ${TEST_DIR}/kernel_times.cpp ${CMAKE_SOURCE_DIR}/launcher/kernel_profile.cpp
  GROUPED ${TEST_DIR}/chosen_kernels.cpp ${TEST_DIR}/kernel_networks.cpp ${TEST_DIR}/random_networks.cpp ${TEST_DIR}/schedule.cpp ${TEST_DIR}/share_images.cpp ${TEST_DIR}/checkpoint_folder.cpp
          ${TEST_DIR}/device_images.cpp ${TEST_DIR}/device_kernels.cpp ${TEST_DIR}/device_precisions.cpp ${TEST_DIR}/training_step.cpp ${TEST_DIR}/checkpoint.cpp ${TEST_DIR}/checkpoint_writer.cpp
          ${TEST_DIR}/checkpoint_state.cpp ${TEST_DIR}/kept_weights.cpp
  LINKS fer_ddp_train host_kernels)
foreach(_test core_test kernels_test model_test optimizer_test train_test)
  target_include_directories(${_test} PRIVATE ${TEST_DIR} ${CMAKE_SOURCE_DIR})
endforeach()
foreach(_test kernels_test model_test optimizer_test train_test)
  set_target_properties(${_test} PROPERTIES BUILD_RPATH ${FER_DDP_TORCH_ROOT}/torch/lib)
endforeach()
# Under sanitizers a network takes ten times as long.
target_compile_definitions(train_test PRIVATE FER_DDP_DEFAULT_NETWORKS=$<IF:$<BOOL:${FER_DDP_SANITIZE}>,10,40>)
