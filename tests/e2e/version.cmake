# What a bug report quotes, and what a bundle is looked at with.
add_test(NAME version.names_every_library COMMAND fer-ddp --version)
set_tests_properties(version.names_every_library PROPERTIES TIMEOUT 60
  PASS_REGULAR_EXPRESSION "^fer-ddp [0-9.]+ [(][A-Za-z]+ build[)]\nLibTorch [0-9.]+\n[^\n]*MPI[^\n]*\nHDF5 [0-9.]+\ngRPC [0-9.]+\nlibarchive [0-9.]+\nlibjpeg-turbo [0-9.]+\nlibpng [0-9.]+\nCUDA plug-in: (there|none)\n$")
