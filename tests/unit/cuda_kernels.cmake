# The CUDA kernels' own sources on the host, each thread of theirs a fibre (tests/cuda_on_host/device_words.h).
find_path(FER_DDP_BOOST_CONTEXT_INCLUDE boost/context/fiber.hpp)
find_library(FER_DDP_BOOST_CONTEXT boost_context)
if(NOT FER_DDP_BOOST_CONTEXT_INCLUDE OR NOT FER_DDP_BOOST_CONTEXT)
  message(FATAL_ERROR "Boost.Context, which the tests of the CUDA kernels run on, is not there. Install libboost-context-dev, or run "
                      "cluster/setup/install_dependencies.")
endif()

add_library(cuda_on_host STATIC ${CMAKE_SOURCE_DIR}/tests/cuda_on_host/fibres.cpp)
target_include_directories(cuda_on_host PUBLIC ${CMAKE_SOURCE_DIR}/tests/cuda_on_host)
target_include_directories(cuda_on_host SYSTEM PRIVATE ${FER_DDP_BOOST_CONTEXT_INCLUDE})
target_link_libraries(cuda_on_host PRIVATE ${FER_DDP_BOOST_CONTEXT} fer_ddp_compile_options)
# The first are nvcc's. What a kernel does not fuse itself, GCC would on processors that have such instructions.
target_compile_options(cuda_on_host PUBLIC -Wno-unknown-pragmas -ffp-contract=off)

fer_ddp_test(cuda_kernels_test COMPUTES
  SOURCES ${TEST_DIR}/cuda_on_host.cpp ${TEST_DIR}/cuda_changed_images.cpp ${TEST_DIR}/cuda_channels.cpp ${TEST_DIR}/cuda_channel_gradients.cpp
          ${TEST_DIR}/cuda_plain_layers.cpp ${TEST_DIR}/cuda_images.cpp ${TEST_DIR}/cuda_classifier.cpp ${TEST_DIR}/cuda_products.cpp
          ${TEST_DIR}/cuda_update_rules.cpp
  LINKS cuda_on_host fer_ddp_core)
# By path, not by room: no library of the plug-in is linked.
target_include_directories(cuda_kernels_test PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)

# All of them, as a device's own kernels that compute in the host's memory.
add_library(host_kernels STATIC ${CMAKE_SOURCE_DIR}/tests/cuda_on_host/host_kernels.cpp)
target_include_directories(host_kernels PRIVATE ${CMAKE_SOURCE_DIR}/src PUBLIC ${CMAKE_SOURCE_DIR})
target_link_libraries(host_kernels PRIVATE cuda_on_host fer_ddp_compile_options PUBLIC fer_ddp_core)
