// Which build this is: a hash of all that the executable, the training library and the CUDA plug-in are built from, the
// same in all three. A library of another build may lay out any class differently: it is not loaded; nor do ranks of
// two builds train together. Each of the three links an object of its own (fer_ddp_build_hash in
// src/cmake/build_hash.cmake): no library and no test has to.
#pragma once

extern "C" {
// 32 hexadecimal digits.
__attribute__((visibility("default"))) extern const char fer_ddp_build_hash[33];
}
