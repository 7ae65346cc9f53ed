// SPDX-License-Identifier: MIT
// What a sanitizer the program was built with offers; without one, nothing happens.
#ifndef INSTRUMENTS_H
#define INSTRUMENTS_H

#include <stdbool.h>

/// A sanitizer's runtime is there, and reports faults itself.
bool instruments_report_faults(void);

/// Memory that nobody knows any more is reported on standard error; whether there was some.
bool instruments_find_leaks(void);

#endif
