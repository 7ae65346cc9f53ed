// SPDX-License-Identifier: MIT
// What a fuzzing engine of somebody else's offers, and where it looks for features of states.
#ifndef PAGEFUZZ_FARM_H
#define PAGEFUZZ_FARM_H

#include <stddef.h>
#include <stdint.h>

typedef int (*farm_target)(const uint8_t *data, size_t size);

/// Runs the engine this process is linked with, as its own main() would.
int LLVMFuzzerRunDriver(int *argc, char ***argv, farm_target target);

/// The engine's own mutations; 0 where it has none to offer.
size_t farm_mutate(uint8_t *data, size_t size, size_t limit);

/// The process is an AFL++ target.
int farm_is_afl(void);

/// Features there are places for.
size_t farm_features(void);

/// Tells the engine that the input at hand has a feature.
void farm_note(size_t feature);

#endif
