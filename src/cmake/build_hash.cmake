# The hash that tells one build from another (core/build_hash.h). Included, this adds the target fer_ddp_build_hash; run by the build
# (cmake -P), it writes that target's source where anything has changed: a source, header or CMake file that the executable, the training
# library and the CUDA plug-in are built from, LibTorch's version, the compiler or its flags. No path of the clone goes in. One small object
# depends on it, so that ccache keeps all others.

# hashed_files(OUT SOURCE [CONFIGURE_DEPENDS]): relative to SOURCE. How it is installed changes nothing of what is built.
function(hashed_files out source)
  set(_patterns)
  foreach(_folder src data launcher proto)
    foreach(_name *.cpp *.h *.cu *.cuh *.proto *.cmake CMakeLists.txt exported_symbols.txt)
      list(APPEND _patterns ${source}/${_folder}/${_name})
    endforeach()
  endforeach()
  file(GLOB_RECURSE _files ${ARGN} RELATIVE ${source} ${_patterns})
  list(REMOVE_ITEM _files src/cmake/install.cmake)
  list(APPEND _files CMakeLists.txt)
  list(SORT _files)
  set(${out} ${_files} PARENT_SCOPE)
endfunction()

# cmake -D SOURCE=... -D TORCH_VERSION_HEADER=... -D SETTINGS=... -D OUTPUT=... -P build_hash.cmake
if(CMAKE_SCRIPT_MODE_FILE)
  hashed_files(_files ${SOURCE})
  set(_lines "${SETTINGS}\n")
  foreach(_file ${_files})
    file(SHA256 ${SOURCE}/${_file} _hash)
    string(APPEND _lines "${_hash}  ${_file}\n")
  endforeach()
  file(SHA256 ${TORCH_VERSION_HEADER} _hash)
  string(APPEND _lines "${_hash}  torch/headeronly/version.h\n")
  string(SHA256 _hash "${_lines}")
  string(SUBSTRING ${_hash} 0 32 _hash)
  file(WRITE ${OUTPUT}.txt "${_lines}")  # for people who ask why two builds differ
  file(CONFIGURE OUTPUT ${OUTPUT} CONTENT [[
// Written by src/cmake/build_hash.cmake.
#include "core/build_hash.h"

extern "C" {
const char fer_ddp_build_hash[] = "@_hash@";
}
]] @ONLY)
  return()
endif()

hashed_files(_files ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS)
set(_output ${CMAKE_BINARY_DIR}/build_hash.cpp)
set(_torch_version_header ${FER_DDP_TORCH_ROOT}/torch/include/torch/headeronly/version.h)
string(TOUPPER "${CMAKE_BUILD_TYPE}" _type)
set(_settings "${CMAKE_BUILD_TYPE}|${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}|${CMAKE_CXX_FLAGS}|${CMAKE_CXX_FLAGS_${_type}}|${FER_DDP_SANITIZE}")
if(FER_DDP_NVCC)
  string(REPLACE ";" " " _architectures "${FER_DDP_CUDA_ARCHITECTURES}")
  string(APPEND _settings "|kernels for ${_architectures}")
endif()
add_custom_command(OUTPUT ${_output} BYPRODUCTS ${_output}.txt
  COMMAND ${CMAKE_COMMAND} -D SOURCE=${CMAKE_SOURCE_DIR} -D TORCH_VERSION_HEADER=${_torch_version_header} -D "SETTINGS=${_settings}" -D OUTPUT=${_output}
          -P ${CMAKE_CURRENT_LIST_FILE}
  DEPENDS ${_files} ${_torch_version_header} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} COMMENT "Hashing the sources" VERBATIM)
add_library(fer_ddp_build_hash OBJECT ${_output})
target_link_libraries(fer_ddp_build_hash PRIVATE fer_ddp_core fer_ddp_compile_options)
