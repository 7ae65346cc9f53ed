// SPDX-License-Identifier: MIT
#include "farm.h"

#define FEATURES (1u << 16)

// What the engines define or do not.
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t limit) __attribute__((weak));
int __afl_persistent_loop(unsigned int count) __attribute__((weak));

size_t farm_mutate(uint8_t *data, size_t size, size_t limit) {
  return LLVMFuzzerMutate ? LLVMFuzzerMutate(data, size, limit) : 0;
}

int farm_is_afl(void) { return __afl_persistent_loop != 0; }

size_t farm_features(void) { return FEATURES; }

#ifdef FARM_GUARDS

// AFL++ reads features from its map of edges: each gets a guard of its own, as if it were one.
static uint32_t guards[FEATURES];
void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop) __attribute__((weak));
void __sanitizer_cov_trace_pc_guard(uint32_t *guard) __attribute__((weak));

__attribute__((constructor)) static void enroll(void) {
  if (__sanitizer_cov_trace_pc_guard_init)
    __sanitizer_cov_trace_pc_guard_init(guards, guards + FEATURES);
}

void farm_note(size_t feature) {
  if (__sanitizer_cov_trace_pc_guard) __sanitizer_cov_trace_pc_guard(&guards[feature % FEATURES]);
}

#else

// libFuzzer looks for counters in this section, and clears them before each input.
__attribute__((section("__libfuzzer_extra_counters"), used)) static uint8_t counters[FEATURES];

void farm_note(size_t feature) { counters[feature % FEATURES] = 1; }

#endif
