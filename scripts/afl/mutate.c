// SPDX-License-Identifier: MIT
// Drives a library of mutations as afl-fuzz does, without afl-fuzz: mutates and trims FILE, and
// writes what comes of it to DIRECTORY.
//
//     mutate LIBRARY FILE COUNT DIRECTORY
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 4096

static void *symbol(void *library, const char *name) {
  void *found = dlsym(library, name);
  if (!found) fprintf(stderr, "no %s\n", name), exit(1);
  return found;
}

static void save(const char *directory, const char *name, int number, const void *bytes, size_t size) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s-%d", directory, name, number);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) perror(path), exit(74);
}

int main(int argc, char **argv) {
  if (argc != 5) return 64;
  void *library = dlopen(argv[1], RTLD_NOW);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;
  void *(*init)(void *, unsigned) = symbol(library, "afl_custom_init");
  size_t (*fuzz)(void *, unsigned char *, size_t, unsigned char **, unsigned char *, size_t, size_t) =
      symbol(library, "afl_custom_fuzz");
  int (*init_trim)(void *, unsigned char *, size_t) = symbol(library, "afl_custom_init_trim");
  size_t (*trim)(void *, unsigned char **) = symbol(library, "afl_custom_trim");
  int (*post_trim)(void *, unsigned char) = symbol(library, "afl_custom_post_trim");
  void (*deinit)(void *) = symbol(library, "afl_custom_deinit");

  static unsigned char input[LIMIT], other[LIMIT], best[LIMIT];
  FILE *file = fopen(argv[2], "rb");
  if (!file) return perror(argv[2]), 66;
  size_t size = fread(input, 1, sizeof input, file), other_size = 0;
  fclose(file);

  void *data = init(NULL, 1);
  unsigned char *output;
  int count = atoi(argv[3]);
  for (int number = 0; number < count; number++) {
    size_t made =
        fuzz(data, input, size, &output, other_size ? other : NULL, other_size, LIMIT);
    if (made > LIMIT) return fprintf(stderr, "%zu bytes\n", made), 1;
    save(argv[4], "fuzz", number, output, made);
    memcpy(other, output, made);
    other_size = made;
  }

  // Whatever is not longer counts as the same, as if nothing in it mattered.
  size_t best_size = other_size;
  memcpy(best, other, best_size);
  int steps = init_trim(data, best, best_size), step = 0;
  while (step < steps) {
    size_t made = trim(data, &output);
    if (made > best_size) return fprintf(stderr, "trimmed to %zu bytes\n", made), 1;
    memcpy(best, output, made);
    best_size = made;
    step = post_trim(data, 1);
  }
  save(argv[4], "trim", 0, best, best_size);
  deinit(data);
  printf("%d mutations, %d trims, %zu bytes left of %zu\n", count, steps, best_size, other_size);
  return 0;
}
