// SPDX-License-Identifier: MIT
// A disk that fails, for LD_PRELOAD: of the calls of write(), fsync() and rename() on files, those
// numbered FIRST to LAST in DISK_FAULT=ERRNO:FIRST:LAST fail, and the first, where it writes, writes
// a half.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;

/// Counts a call; whether it fails, and whether it is the first that does.
static bool fails(bool *is_first) {
    const char *wish = getenv("DISK_FAULT");
    int number;
    long first, last;
    if (!wish || sscanf(wish, "%d:%ld:%ld", &number, &first, &last) != 3)
        return false;
    long call = atomic_fetch_add(&calls, 1) + 1;
    *is_first = call == first;
    errno = number;
    return call >= first && call <= last;
}

/// A file other than what is said.
static bool is_file(int descriptor) {
    struct stat status;
    return descriptor > 2 && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    bool is_first = false;
    if (!is_file(descriptor) || !fails(&is_first))
        return real(descriptor, bytes, count);
    return is_first && count > 1 ? real(descriptor, bytes, count / 2) : -1;
}

int fsync(int descriptor) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    bool is_first;
    return fails(&is_first) ? -1 : real(descriptor);
}

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    bool is_first;
    return fails(&is_first) ? -1 : real(from, to);
}
