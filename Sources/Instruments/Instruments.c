// SPDX-License-Identifier: MIT
#include "Instruments.h"

#if __has_feature(address_sanitizer)
int __lsan_do_recoverable_leak_check(void);

/// Statuses 0 and 1 mean something else to whoever runs us.
__attribute__((no_sanitize("address"))) const char *__asan_default_options(void) {
    return "exitcode=77:handle_sigill=1:handle_sigtrap=1:detect_stack_use_after_return=0:allocator_may_return_null=0";
}

bool instruments_report_faults(void) { return true; }
bool instruments_find_leaks(void) { return __lsan_do_recoverable_leak_check() != 0; }

#elif __has_feature(thread_sanitizer)
__attribute__((no_sanitize("thread"))) const char *__tsan_default_options(void) {
    return "exitcode=66:handle_sigill=1:handle_sigtrap=1:halt_on_error=1:second_deadlock_stack=1";
}

bool instruments_report_faults(void) { return true; }
bool instruments_find_leaks(void) { return false; }

#else
bool instruments_report_faults(void) { return false; }
bool instruments_find_leaks(void) { return false; }
#endif
