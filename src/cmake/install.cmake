# `cmake --install` and CPack. Below the prefix, which may be moved as a whole:
#
#   bin/fer-ddp              a link to
#   lib/fer-ddp/fer-ddp      the executable, with the training library, the CUDA plug-in and LibTorch's folders beside it (every run path
#                            starts at $ORIGIN)
#   share/fer-ddp            experiments, the status service's protocol, Slurm scripts, settings for Open MPI
#   share/doc/fer-ddp        README.md, licences of what is carried along
#
# Two components: fer-ddp, and fer-ddp-cuda with the plug-in and NVIDIA's libraries, where they have been fetched. MPI, gRPC and HDF5 stay
# Debian's packages; cluster/bundle/make_bundle carries those as well.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # neither `cpack` nor an install builds the tests first
set(_home lib/fer-ddp)

set_target_properties(fer_ddp_training PROPERTIES INSTALL_RPATH "$ORIGIN/torch/lib")
install(TARGETS fer-ddp fer_ddp_training
        RUNTIME DESTINATION ${_home} COMPONENT fer-ddp LIBRARY DESTINATION ${_home} COMPONENT fer-ddp)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/install)
file(CREATE_LINK ../${_home}/fer-ddp ${CMAKE_BINARY_DIR}/install/fer-ddp SYMBOLIC)
install(FILES ${CMAKE_BINARY_DIR}/install/fer-ddp DESTINATION bin COMPONENT fer-ddp)

# LibTorch keeps the folders of its wheels, because its own run paths lead from one to the other.
set(_torch ${FER_DDP_TORCH_ROOT})
install(FILES ${_torch}/torch/lib/libc10.so ${_torch}/torch/lib/libtorch_cpu.so ${_torch}/torch/lib/libgomp.so.1
        DESTINATION ${_home}/torch/lib COMPONENT fer-ddp)
install(FILES ${_torch}/nvidia/cu13/lib/libcudart.so.13 ${_torch}/nvidia/cu13/lib/libcupti.so.13
        DESTINATION ${_home}/nvidia/cu13/lib COMPONENT fer-ddp)

install(DIRECTORY launcher/experiments DESTINATION share/fer-ddp COMPONENT fer-ddp)
install(FILES proto/fer_ddp/v1/status.proto DESTINATION share/fer-ddp/proto/fer_ddp/v1 COMPONENT fer-ddp)
install(DIRECTORY cluster/slurm DESTINATION share/fer-ddp COMPONENT fer-ddp USE_SOURCE_PERMISSIONS OPTIONAL)
install(FILES cluster/openmpi-mca-params.conf DESTINATION share/fer-ddp COMPONENT fer-ddp)
install(FILES README.md DESTINATION share/doc/fer-ddp COMPONENT fer-ddp)
file(GLOB _licences CONFIGURE_DEPENDS ${_torch}/torch-*.dist-info/licenses ${_torch}/nvidia_cuda_runtime-*.dist-info/licenses
     ${_torch}/nvidia_cuda_cupti-*.dist-info/licenses)
file(GLOB _cuda_licences CONFIGURE_DEPENDS ${_torch}/nvidia_*.dist-info/licenses)
list(REMOVE_ITEM _cuda_licences ${_licences})

# install_licences(COMPONENT FOLDER...): each wheel's, in a folder of its name.
function(install_licences component)
  foreach(_folder ${ARGN})
    string(REGEX REPLACE ".*/([^/]*)[.]dist-info/licenses" "\\1" _wheel ${_folder})
    install(DIRECTORY ${_folder}/ DESTINATION share/doc/${component}/licences/${_wheel} COMPONENT ${component})
  endforeach()
endfunction()
install_licences(fer-ddp ${_licences})

if(TARGET fer_ddp_cuda)
  set_target_properties(fer_ddp_cuda PROPERTIES INSTALL_RPATH "$ORIGIN/torch/lib;$ORIGIN/nvidia/nccl/lib;$ORIGIN/nvidia/cu13/lib")
  install(TARGETS fer_ddp_cuda LIBRARY DESTINATION ${_home} COMPONENT fer-ddp-cuda)
  install(DIRECTORY ${_torch}/torch/lib/ DESTINATION ${_home}/torch/lib COMPONENT fer-ddp-cuda
          FILES_MATCHING PATTERN "libc10_cuda.so" PATTERN "libtorch_cuda.so" PATTERN "libtorch_nvshmem.so")
  install(DIRECTORY ${_torch}/nvidia DESTINATION ${_home} COMPONENT fer-ddp-cuda
          FILES_MATCHING PATTERN "*.so*" PATTERN include EXCLUDE PATTERN bin EXCLUDE PATTERN nvvm EXCLUDE
          PATTERN "libcudart.so.13" EXCLUDE PATTERN "libcupti.so.13" EXCLUDE)
  install_licences(fer-ddp-cuda ${_cuda_licences})
endif()

# Packages: `cpack --config build/release/CPackConfig.cmake -G DEB` (or TGZ). The CUDA package is made where it is asked for by
# -D "CPACK_COMPONENTS_ALL=fer-ddp;fer-ddp-cuda", because it is large.
set(CPACK_GENERATOR TGZ DEB)
set(CPACK_PACKAGE_CONTACT "the developers of fer-ddp <fer-ddp@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "distributed data-parallel trainer for facial emotion recognition")
set(CPACK_COMPONENTS_ALL fer-ddp)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)  # a tenth of xz's time; Debian 12 and Ubuntu 22.04 read it
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_FER-DDP_PACKAGE_NAME fer-ddp)
set(CPACK_DEBIAN_FER-DDP_PACKAGE_DEPENDS openmpi-bin)  # mpirun; dpkg-shlibdeps adds the libraries
set(CPACK_DEBIAN_FER-DDP_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${_torch}/torch/lib ${_torch}/nvidia/cu13/lib)
set(CPACK_DEBIAN_FER-DDP-CUDA_PACKAGE_NAME fer-ddp-cuda)
set(CPACK_DEBIAN_FER-DDP-CUDA_PACKAGE_DEPENDS "fer-ddp (= ${PROJECT_VERSION})")
include(CPack)
