// SPDX-License-Identifier: MIT
// What libAFLDriver.a and afl-compiler-rt.o are to a target, without a fuzzer: it executes the files
// it is given, and says how many guards each of them passed.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);

static uint32_t guards;
static uint8_t map[1 << 22];

void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop) {
  for (uint32_t *guard = start; guard < stop; guard++)
    if (*guard == 0) *guard = ++guards;
}

void __sanitizer_cov_trace_pc_guard(uint32_t *guard) { map[*guard % sizeof map] = 1; }

static long take(void) {
  long passed = 0;
  for (size_t place = 0; place < sizeof map; place++) passed += map[place], map[place] = 0;
  return passed;
}

// AFL++'s own way to tell a target that it is one.
int __afl_persistent_loop(unsigned int count) { return count == 0; }

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*target)(const uint8_t *, size_t)) {
  static uint8_t bytes[1 << 20];
  LLVMFuzzerInitialize(argc, argv);
  for (int word = 1; word < *argc; word++) {
    FILE *file = fopen((*argv)[word], "rb");
    if (!file) return 66;
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    take();
    target(bytes, size);
    printf("%ld of %u guards: %s\n", take(), guards, (*argv)[word]);
  }
  return 0;
}
