// SPDX-License-Identifier: MIT
// What a sanitizer the program was built with offers; without one, nothing happens.
#ifndef INSTRUMENTS_H
#define INSTRUMENTS_H

#include <stdbool.h>

/// A sanitizer's runtime is there, and reports faults itself.
bool instruments_report_faults(void);

/// Memory that nobody knows any more is reported on standard error; whether there was some.
bool instruments_find_leaks(void);

/// Until it is told otherwise, nothing this thread does is taken to order it before or after what
/// other threads do: whatever two of them share is a race, at whatever time each of them used it.
void instruments_ignore_order(bool is_ignored);

#endif
