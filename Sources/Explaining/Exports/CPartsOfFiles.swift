// SPDX-License-Identifier: MIT

/// Files, mappings and processes of an exported C program.
enum CPartsOfFiles {
  static let all: [CParts.Function] = [
    // Written down for C libraries that do not have them.
    .init(
      name: "fallocate",
      text: """
        #ifndef FALLOC_FL_KEEP_SIZE
        #define FALLOC_FL_KEEP_SIZE 0x01
        #endif
        #ifndef FALLOC_FL_PUNCH_HOLE
        #define FALLOC_FL_PUNCH_HOLE 0x02
        #endif
        #ifndef FALLOC_FL_COLLAPSE_RANGE
        #define FALLOC_FL_COLLAPSE_RANGE 0x08
        #endif
        #ifndef FALLOC_FL_ZERO_RANGE
        #define FALLOC_FL_ZERO_RANGE 0x10
        #endif

        """),
    .init(
      name: "files",
      text: """
        static int files[FILES + 1];

        """),
    .init(
      name: "reflink",
      text: """
        /* FICLONERANGE: one page of a file shares the block of another. */
        struct clone_range {
        \tint64_t source;
        \tuint64_t from, length, to;
        };
        static long reflink(int from, long page, int to, long place)
        {
        \tstruct clone_range range = { .source = files[from], .from = page * STRIDE,
        \t\t\t\t     .length = STRIDE, .to = place * STRIDE };

        \treturn ioctl(files[to], _IOW(0x94, 13, struct clone_range), &range) ? -errno : 0;
        }

        """),
    .init(
      name: "path_of",
      text: """
        static const char *path_of(int file, char *path, size_t size)
        {
        \tconst char *directory = getenv("PAGEFUZZ_DAX");

        \tsnprintf(path, size, "%s/pagefuzz%d", directory ? directory : "/mnt/dax", file);
        \treturn path;
        }

        """),
    .init(
      name: "make_files",
      text: """
        #ifndef MAP_SHARED_VALIDATE
        #define MAP_SHARED_VALIDATE 0x03
        #endif
        #ifndef MAP_SYNC
        #define MAP_SYNC 0x080000
        #endif
        /* The files of the program, all holes, mapped whole; MAP_SYNC says whether it is DAX. */
        static void make_files(void)
        {
        \tchar path[256];

        \tfor (int file = 0; file < FILES; file++) {
        \t\tvoid *probe;

        \t\tfiles[file] = open(path_of(file, path, sizeof(path)),
        \t\t\t\t   O_RDWR | O_CREAT | O_TRUNC, 0600);
        \t\tif (files[file] < 0 || ftruncate(files[file], FILE_PAGES * STRIDE))
        \t\t\tskip("no file can be made in PAGEFUZZ_DAX");
        \t\tprobe = mmap(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, files[file], 0);
        \t\tif (probe == MAP_FAILED)
        \t\t\tskip("PAGEFUZZ_DAX is not on a DAX file system");
        \t\tmunmap(probe, 4096);
        \t\tif (mmap(slots[file], FILE_PAGES * STRIDE, PROT_READ | PROT_WRITE,
        \t\t\t MAP_SHARED | MAP_FIXED, files[file], 0) == MAP_FAILED)
        \t\t\tskip("the file cannot be mapped");
        \t}
        }

        """),
    .init(
      name: "map_memory",
      text: """
        static long map_memory(int slot, int pages, int flags, int file)
        {
        \tvoid *place = mmap(slots[slot], pages * STRIDE, PROT_READ | PROT_WRITE,
        \t\t\t   flags | MAP_FIXED_NOREPLACE, file, 0);

        \treturn place == MAP_FAILED ? errno == EEXIST ? -EBUSY : -errno : 0;
        }

        """,
      data: """
        #ifndef MAP_FIXED_NOREPLACE
        #define MAP_FIXED_NOREPLACE 0x100000
        #endif

        """),
    .init(
      name: "map_file",
      text: """
        static long map_file(int slot, int file, int page, int pages, int flags)
        {
        \tvoid *place = mmap(slots[slot], pages * STRIDE, PROT_READ | PROT_WRITE,
        \t\t\t   flags | MAP_FIXED_NOREPLACE, files[file], page * STRIDE);

        \treturn place == MAP_FAILED ? errno == EEXIST ? -EBUSY : -errno : 0;
        }

        """,
      data: """
        #ifndef MAP_FIXED_NOREPLACE
        #define MAP_FIXED_NOREPLACE 0x100000
        #endif

        """),
    .init(
      name: "move_mapping",
      text: """
        static long move_mapping(int slot)
        {
        \tchar *place = slots[slot] + 0x10000000;

        \tif (mremap(slots[slot], PAGES * STRIDE, PAGES * STRIDE, MREMAP_MAYMOVE | MREMAP_FIXED,
        \t\t   place) == MAP_FAILED)
        \t\treturn -errno;
        \tslots[slot] = place;
        \treturn 0;
        }

        """),
    .init(
      name: "fork_process",
      text: """
        static long fork_process(void)
        {
        \tpid_t child = fork();

        \tif (child == 0) {
        \t\tmy_mm = 1;
        \t\tall->process[1] = getpid();
        \t\tstart_workers();
        \t\tfor (;;)
        \t\t\tpause();
        \t}
        \treturn child < 0 ? -errno : 0;
        }

        """),
    .init(
      name: "end_process",
      text: """
        static long end_process(int line)
        {
        \tall->result[line] = 0;
        \tall->done[line] = 1;
        \t_exit(0);
        }

        """),
    .init(
      name: "touch",
      text: """
        /* One read fault, or one write fault that leaves the byte as it is. */
        static long touch(char *address, int is_write)
        {
        \tint number = sigsetjmp(landing, 1);

        \tif (number) {
        \t\tis_guarded = 0;
        \t\treturn -200 - number;
        \t}
        \tis_guarded = 1;
        \tif (is_write)
        \t\t__atomic_fetch_or(address, 0, __ATOMIC_SEQ_CST);
        \telse
        \t\t__atomic_load_n(address, __ATOMIC_SEQ_CST);
        \tis_guarded = 0;
        \treturn 0;
        }

        """),
    .init(
      name: "load",
      text: """
        static long load(char *address)
        {
        \tint number = sigsetjmp(landing, 1);
        \tunsigned char byte;

        \tif (number) {
        \t\tis_guarded = 0;
        \t\treturn -200 - number;
        \t}
        \tis_guarded = 1;
        \tbyte = __atomic_load_n((unsigned char *)address, __ATOMIC_SEQ_CST);
        \tis_guarded = 0;
        \treturn byte;
        }

        """),
    .init(
      name: "store",
      text: """
        static long store(char *address, int byte)
        {
        \tint number = sigsetjmp(landing, 1);

        \tif (number) {
        \t\tis_guarded = 0;
        \t\treturn -200 - number;
        \t}
        \tis_guarded = 1;
        \t__atomic_store_n(address, (char)byte, __ATOMIC_SEQ_CST);
        \tis_guarded = 0;
        \treturn 0;
        }

        """),
    .init(
      name: "poison",
      text: """
        #ifndef MADV_HWPOISON
        #define MADV_HWPOISON 100
        #endif
        static long poison(char *address)
        {
        \tint number = sigsetjmp(landing, 1);
        \tlong value;

        \tif (number) {
        \t\tis_guarded = 0;
        \t\treturn -200 - number;
        \t}
        \tis_guarded = 1;
        \tvalue = result(madvise(address, 4096, MADV_HWPOISON));
        \tis_guarded = 0;
        \treturn value;
        }

        """),
    .init(
      name: "open_file",
      text: """
        static long open_file(int file)
        {
        \tchar path[256];

        \tfiles[file] = open(path_of(file, path, sizeof(path)), O_RDWR | O_CREAT, 0600);
        \treturn files[file] < 0 ? -errno : 0;
        }

        """),
    .init(
      name: "close_file",
      text: """
        static long close_file(int file)
        {
        \tlong value = result(close(files[file]));

        \tfiles[file] = -1;
        \treturn value;
        }

        """),
    .init(
      name: "unlink_file",
      text: """
        static long unlink_file(int file)
        {
        \tchar path[256];

        \treturn result(unlink(path_of(file, path, sizeof(path))));
        }

        """),
    .init(
      name: "read_page",
      text: """
        static long read_page(int file, int page)
        {
        \tunsigned char byte = 0;

        \treturn pread(files[file], &byte, 1, page * STRIDE) < 0 ? -errno : byte;
        }

        """),
    .init(
      name: "write_page",
      text: """
        static long write_page(int file, int page, int byte)
        {
        \tchar bytes[4096];

        \tmemset(bytes, byte, sizeof(bytes));
        \treturn pwrite(files[file], bytes, sizeof(bytes), page * STRIDE) < 0 ? -errno : 0;
        }

        """),
    .init(
      name: "interrupt",
      text: """
        static long interrupt(int cpu)
        {
        \treturn -pthread_kill(workers[cpu], SIGUSR1);
        }

        """),
  ]
}
