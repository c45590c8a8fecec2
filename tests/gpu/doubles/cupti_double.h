// What a test says a GPU has done (cupti_double.cpp).
#pragma once

#include <cstdint>

namespace cupti_double {

void launch(const char* name, uint64_t nanoseconds);
// What it was for is recorded after it ran.
void launch_known_late(const char* name, uint64_t nanoseconds);
// Of a thread that has begun no call.
void launch_of_another_thread(const char* name, uint64_t nanoseconds);
void copy(uint64_t nanoseconds);

// From now on records are refused to this user.
void refuse();
void reset();

}  // namespace cupti_double
