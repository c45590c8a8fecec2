# How our own code is compiled: C++20, warnings as errors, ccache where it is installed, sanitizers on request.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

option(FER_DDP_FUZZ "Build the fuzzers of tests/fuzz, with libFuzzer and both sanitizers; Clang alone" OFF)
option(FER_DDP_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Paths below the clone count relative to it, so that one clone's objects serve the next; what the compiler itself would write of the
  # clone's path is mapped to "." below. There is no precompiled header: GCC 12 takes all memory when it reads one that was made in
  # another folder.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
endif()
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)

# Put on every target of ours, and on nothing that is generated.
add_library(fer_ddp_compile_options INTERFACE)
target_compile_options(fer_ddp_compile_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror -fno-math-errno
  -Wno-restrict)  # false alarms in GCC 12's std::string (GCC bug 105651)
target_compile_options(fer_ddp_compile_options INTERFACE $<$<CONFIG:Release>:-fno-plt>)

# Code that waits for files, people and other processes, and the tests: a third of its compile time goes, and nobody would notice it run
# quicker.
add_library(fer_ddp_waits INTERFACE)
target_compile_options(fer_ddp_waits INTERFACE $<$<CONFIG:Release>:-O1>)

if(FER_DDP_SANITIZE)
  # Instrumented code makes GCC 12 warn of values that only seem uninitialised; the release build holds that there are no warnings.
  target_compile_options(fer_ddp_compile_options INTERFACE -Wno-error)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

if(FER_DDP_FUZZ)
  # Warnings are GCC's business: Clang has others.
  target_compile_options(fer_ddp_compile_options INTERFACE -Wno-error -Wno-everything)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
