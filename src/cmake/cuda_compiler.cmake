# The compiler of CUDA kernels: nvcc as NVIDIA's wheels hold it (cluster/setup/install_dependencies --cuda), named by its full path. CMake's
# own support for CUDA would look for a toolkit on this machine, and one of another version would compile what LibTorch's libraries cannot run.
set(FER_DDP_CUDA_ARCHITECTURES "75-real;80-real;90-real;100-real;90-virtual" CACHE STRING
    "GPUs that kernels are compiled for: 90-real is the machine code of one, 90-virtual PTX for newer ones, 90 both. One is quicker to develop with")

set(FER_DDP_NVCC ${FER_DDP_TORCH_ROOT}/nvidia/cu13/bin/nvcc)
if(NOT EXISTS ${FER_DDP_NVCC} OR NOT EXISTS ${FER_DDP_TORCH_ROOT}/nvidia/cu13/nvvm/bin/cicc)
  message(STATUS "CUDA kernels are left out: nvcc is not in ${FER_DDP_TORCH_ROOT} (cluster/setup/install_dependencies --cuda)")
  set(FER_DDP_NVCC "")
endif()

set(_nvcc_flags -std=c++20 -O3 $<$<CONFIG:Release>:-DNDEBUG> -Xptxas -v -Werror all-warnings
    -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra,-Wshadow,-Werror)
foreach(_architecture ${FER_DDP_CUDA_ARCHITECTURES})
  if(NOT _architecture MATCHES "^([0-9]+[af]?)(-real|-virtual)?$")
    message(FATAL_ERROR "FER_DDP_CUDA_ARCHITECTURES holds ${_architecture}, which names no GPU: 90, 90-real and 90-virtual do.")
  endif()
  set(_number ${CMAKE_MATCH_1})
  set(_kind ${CMAKE_MATCH_2})
  if(NOT _kind STREQUAL "-virtual")
    list(APPEND _nvcc_flags -gencode arch=compute_${_number},code=sm_${_number})
  endif()
  if(NOT _kind STREQUAL "-real")
    list(APPEND _nvcc_flags -gencode arch=compute_${_number},code=compute_${_number})
  endif()
endforeach()
set(FER_DDP_NVCC_FLAGS ${_nvcc_flags})

# In its ordinary mode ccache compares what the preprocessor makes of a file, and asks it for one architecture alone: a change within
# `#if __CUDA_ARCH__ >= 900` would bring back the old object. In this mode it compares the files that were read.
if(CCACHE_PROGRAM)
  set(FER_DDP_NVCC_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_DEPEND=1 CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
endif()

# fer_ddp_cuda_objects(OUT SOURCES a.cu ... [INCLUDES folder ...]): OUT becomes the list of objects, position independent, that a target
# then takes among its sources; empty where there is no nvcc. Beside each object, NAME.resources.txt says what the assembler found each
# kernel to need: registers, spilled bytes, shared memory.
function(fer_ddp_cuda_objects out)
  cmake_parse_arguments(CUDA "" "" "SOURCES;INCLUDES" ${ARGN})
  set(_objects)
  if(NOT FER_DDP_NVCC)
    set(CUDA_SOURCES)
  endif()
  # Paths relative to where nvcc runs: an object holds nothing of where the clone lies, and serves the next clone by ccache.
  set(_flags ${FER_DDP_NVCC_FLAGS})
  foreach(_folder ${CUDA_INCLUDES})
    file(RELATIVE_PATH _folder ${CMAKE_CURRENT_BINARY_DIR} ${_folder})
    list(APPEND _flags -I ${_folder})
  endforeach()
  foreach(_source ${CUDA_SOURCES})
    cmake_path(ABSOLUTE_PATH _source)
    file(RELATIVE_PATH _name ${CMAKE_CURRENT_SOURCE_DIR} ${_source})
    file(RELATIVE_PATH _read ${CMAKE_CURRENT_BINARY_DIR} ${_source})
    string(REGEX REPLACE "[.]cu$" "" _name ${_name})
    cmake_path(GET _name PARENT_PATH _folder)
    file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/${_folder})
    set(_object ${CMAKE_CURRENT_BINARY_DIR}/${_name}.o)
    add_custom_command(OUTPUT ${_object} BYPRODUCTS ${CMAKE_CURRENT_BINARY_DIR}/${_name}.resources.txt
      COMMAND ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/compile_cuda ${_name}.resources.txt ${FER_DDP_NVCC_LAUNCHER}
              ${FER_DDP_NVCC} -ccbin ${CMAKE_CXX_COMPILER} "${_flags}" -MD -MF ${_name}.d -c ${_read} -o ${_name}.o
      DEPENDS ${_source} ${FER_DDP_NVCC} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/compile_cuda DEPFILE ${_name}.d
      COMMENT "Building CUDA object ${_name}.o" COMMAND_EXPAND_LISTS VERBATIM)
    set_source_files_properties(${_object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
    list(APPEND _objects ${_object})
  endforeach()
  set(${out} ${_objects} PARENT_SCOPE)
endfunction()
