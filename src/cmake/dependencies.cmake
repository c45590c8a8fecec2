# Everything fer-ddp links from outside: Debian packages, and LibTorch from its PyPI wheel (cluster/setup/install_dependencies).
find_package(Threads REQUIRED)
find_package(MPI REQUIRED COMPONENTS CXX)
find_package(HDF5 REQUIRED COMPONENTS C)
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)
find_package(LibArchive REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
find_package(OpenSSL REQUIRED)
# By pkg-config, as its CMake package would look for curl, which only a push needs.
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-pull)

# ONNX's messages, as Debian's libonnx-dev has compiled them. What links them must not meet LibTorch's include folder either: older
# protobuf headers lie in there.
find_path(FER_DDP_ONNX_INCLUDE onnx/onnx_pb.h REQUIRED)
find_library(FER_DDP_ONNX_PROTO onnx_proto REQUIRED)
find_library(FER_DDP_ONNX_CHECKER onnx)  # the tests' alone
add_library(onnx::proto SHARED IMPORTED)
set_target_properties(onnx::proto PROPERTIES IMPORTED_LOCATION ${FER_DDP_ONNX_PROTO}
  INTERFACE_INCLUDE_DIRECTORIES ${FER_DDP_ONNX_INCLUDE} INTERFACE_COMPILE_DEFINITIONS "ONNX_ML;ONNX_NAMESPACE=onnx"
  INTERFACE_LINK_LIBRARIES protobuf::libprotobuf)

# LibTorch. Only libtorch_cpu and libc10 are linked: libtorch.so would pull in libtorch_cuda and every NVIDIA library with it.
set(FER_DDP_TORCH_VERSION 2.11.0)
if(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(_cache "$ENV{XDG_CACHE_HOME}")
else()
  set(_cache "$ENV{HOME}/.cache")
endif()
set(FER_DDP_TORCH_ROOT "${_cache}/fer-ddp/torch-${FER_DDP_TORCH_VERSION}" CACHE PATH
    "Folder that holds torch/ and nvidia/, unpacked from the wheels")
if(NOT EXISTS ${FER_DDP_TORCH_ROOT}/torch/lib/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch ${FER_DDP_TORCH_VERSION} is not in ${FER_DDP_TORCH_ROOT}. "
                      "Run ./quickstart --build-only, or cluster/setup/install_dependencies, first.")
endif()
foreach(_library c10 torch_cpu)
  add_library(torch::${_library} SHARED IMPORTED)
  set_target_properties(torch::${_library} PROPERTIES IMPORTED_LOCATION ${FER_DDP_TORCH_ROOT}/torch/lib/lib${_library}.so)
endforeach()
target_include_directories(torch::torch_cpu SYSTEM INTERFACE
  ${FER_DDP_TORCH_ROOT}/torch/include ${FER_DDP_TORCH_ROOT}/torch/include/torch/csrc/api/include)
# Its include folder brings an {fmt} of its own, newer than Debian's library: what includes torch takes that one's headers alone.
# The two live in namespaces of their own versions. A header for each operator (AT_PER_OPERATOR_HEADERS), because all of them in every file
# would double the time of compiling it.
target_compile_definitions(torch::torch_cpu INTERFACE FMT_HEADER_ONLY AT_PER_OPERATOR_HEADERS)
target_link_libraries(torch::torch_cpu INTERFACE torch::c10)
# at::parallel_for is a template over OpenMP: without -fopenmp where it is used, it runs on one thread and says nothing. The library is
# LibTorch's own copy, so that a process has one set of threads.
add_library(torch::gomp SHARED IMPORTED)
set_target_properties(torch::gomp PROPERTIES IMPORTED_LOCATION ${FER_DDP_TORCH_ROOT}/torch/lib/libgomp.so.1)
target_compile_options(torch::torch_cpu INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
target_link_libraries(torch::torch_cpu INTERFACE torch::gomp)
target_link_options(torch::torch_cpu INTERFACE -Wl,-rpath-link,${FER_DDP_TORCH_ROOT}/nvidia/cu13/lib)

# NVIDIA's headers, from wheels as well (install_dependencies --cuda); no CUDA toolkit is looked for. Without them, all but the CUDA
# plug-in is built.
if(EXISTS ${FER_DDP_TORCH_ROOT}/nvidia/nccl/include/nccl.h AND EXISTS ${FER_DDP_TORCH_ROOT}/nvidia/cu13/include/crt/host_defines.h)
  add_library(nvidia::headers INTERFACE IMPORTED)
  target_include_directories(nvidia::headers SYSTEM INTERFACE
    ${FER_DDP_TORCH_ROOT}/nvidia/cu13/include ${FER_DDP_TORCH_ROOT}/nvidia/cu13/include/cccl
    ${FER_DDP_TORCH_ROOT}/nvidia/nccl/include)
  foreach(_library torch_cuda c10_cuda)
    add_library(torch::${_library} SHARED IMPORTED)
    set_target_properties(torch::${_library} PROPERTIES IMPORTED_LOCATION ${FER_DDP_TORCH_ROOT}/torch/lib/lib${_library}.so)
  endforeach()
  # By full path, so that no toolkit in a system folder is taken instead.
  add_library(nvidia::cudart SHARED IMPORTED)
  set_target_properties(nvidia::cudart PROPERTIES IMPORTED_LOCATION ${FER_DDP_TORCH_ROOT}/nvidia/cu13/lib/libcudart.so.13)
  add_library(nvidia::cupti SHARED IMPORTED)
  set_target_properties(nvidia::cupti PROPERTIES IMPORTED_LOCATION ${FER_DDP_TORCH_ROOT}/nvidia/cu13/lib/libcupti.so.13)
  add_library(nvidia::nccl SHARED IMPORTED)
  set_target_properties(nvidia::nccl PROPERTIES IMPORTED_LOCATION ${FER_DDP_TORCH_ROOT}/nvidia/nccl/lib/libnccl.so.2)
endif()
