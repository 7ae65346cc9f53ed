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
void instruments_ignore_order(bool is_ignored) { (void)is_ignored; }

#elif __has_feature(thread_sanitizer)
void AnnotateIgnoreSyncBegin(const char *file, int line);
void AnnotateIgnoreSyncEnd(const char *file, int line);

/// A race is reported only as long as the stack of the earlier access is known: as long as it gets.
__attribute__((no_sanitize("thread"))) const char *__tsan_default_options(void) {
    return "exitcode=66:handle_sigill=1:handle_sigtrap=1:halt_on_error=1:history_size=7:second_deadlock_stack=1";
}

bool instruments_report_faults(void) { return true; }
bool instruments_find_leaks(void) { return false; }
void instruments_ignore_order(bool is_ignored) {
    if (is_ignored)
        AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
    else
        AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
}

#else
bool instruments_report_faults(void) { return false; }
bool instruments_find_leaks(void) { return false; }
void instruments_ignore_order(bool is_ignored) { (void)is_ignored; }
#endif
