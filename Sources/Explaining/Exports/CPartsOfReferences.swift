// SPDX-License-Identifier: MIT

/// Who holds references of pages, in an exported C program.
enum CPartsOfReferences {
  static let all: [CParts.Function] = [
    .init(
      name: "make_pipes",
      text: """
        /* A pipe for each handle; all processes have them. */
        static void make_pipes(void)
        {
        \tfor (int i = 0; i < 16; i++) {
        \t\tif (pipe(pipes[i]))
        \t\t\tskip("pipes");
        \t\tfcntl(pipes[i][0], F_SETFL, O_NONBLOCK);
        \t}
        }

        """),
    .init(
      name: "hold_pages",
      text: """
        static long hold_pages(int handle, char *address, int pages, int times, int is_write)
        {
        \tint held = 0;

        \tif (fcntl(pipes[handle][1], F_SETPIPE_SZ, pages * times * 4096) < 0)
        \t\tskip("a pipe of that size needs CAP_SYS_RESOURCE");
        \tfor (int time = 0; time < times; time++) {
        \t\tfor (int page = 0; page < pages; page++) {
        \t\t\tstruct iovec part = { address + page * STRIDE, 4096 };

        \t\t\tif (is_write && touch(part.iov_base, 1))
        \t\t\t\treturn held ? held : -EFAULT;
        \t\t\tif (vmsplice(pipes[handle][1], &part, 1, SPLICE_F_NONBLOCK) < 0)
        \t\t\t\treturn held ? held : -errno;
        \t\t\theld += time == 0;
        \t\t}
        \t}
        \treturn held;
        }

        """),
    .init(
      name: "read_pipe",
      text: """
        static long read_pipe(int handle, int pages)
        {
        \tchar bytes[4096];
        \tint count = 0;

        \twhile (count < pages && read(pipes[handle][0], bytes, sizeof(bytes)) > 0)
        \t\tcount++;
        \treturn count ? count : -EBADF;
        }

        """),
    .init(
      name: "drop_pages",
      text: """
        static long drop_pages(int handle)
        {
        \tlong count = read_pipe(handle, 65536);

        \treturn count < 0 ? count : 0;
        }

        """),
    .init(
      name: "peek_page",
      text: """
        /* The first byte behind a pipe, which keeps its pages. */
        static long peek_page(int handle)
        {
        \tunsigned char byte = 0;
        \tint copy[2];
        \tlong value;

        \tif (pipe(copy))
        \t\treturn -errno;
        \tvalue = tee(pipes[handle][0], copy[1], 4096, SPLICE_F_NONBLOCK);
        \tif (value > 0)
        \t\tvalue = read(copy[0], &byte, 1);
        \tclose(copy[0]);
        \tclose(copy[1]);
        \treturn value > 0 ? byte : -EBADF;
        }

        """),
    .init(
      name: "pipes",
      text: """
        static int pipes[16][2];

        """),
    .init(
      name: "pin_pages",
      text: """
        struct transfer {
        \tint file, handle, pages, is_write;
        \tchar *address;
        };

        static void *transfer(void *argument)
        {
        \tstruct transfer *job = argument;
        \tstruct iovec parts[4];

        \tfor (int page = 0; page < job->pages; page++)
        \t\tparts[page] = (struct iovec){ job->address + page * STRIDE, 4096 };
        \tif (job->is_write)
        \t\tjob->is_write = preadv(job->file, parts, job->pages, 0) < 0;
        \telse
        \t\tjob->is_write = pwritev(job->file, parts, job->pages, 0) < 0;
        \tall->unpinned[job->handle] = 1;
        \tclose(job->file);
        \tfree(job);
        \treturn NULL;
        }

        /* The pages are pinned while a slow device reads or writes them. */
        static long pin_pages(int handle, char *address, int pages, int is_write)
        {
        \tconst char *device = getenv("PAGEFUZZ_SLOW");
        \tstruct transfer *job = malloc(sizeof(*job));
        \tpthread_t thread;

        \tif (!device || !job)
        \t\tskip("PAGEFUZZ_SLOW names no slow block device (dm-delay); it is written to");
        \t*job = (struct transfer){ open(device, O_RDWR | O_DIRECT), handle, pages, is_write,
        \t\t\t\t  address };
        \tif (job->file < 0)
        \t\tskip("PAGEFUZZ_SLOW cannot be opened");
        \tall->unpinned[handle] = 0;
        \tif (pthread_create(&thread, NULL, transfer, job))
        \t\treturn -EAGAIN;
        \tusleep(20000);
        \treturn all->unpinned[handle] ? -EFAULT : pages;
        }

        """),
    .init(
      name: "unpin_pages",
      text: """
        static long unpin_pages(int handle)
        {
        \twhile (!all->unpinned[handle])
        \t\tusleep(1000);
        \treturn 0;
        }

        """),
    .init(
      name: "gup_test",
      text: """
        /* CONFIG_GUP_TEST. */
        struct pin_longterm {
        \tuint64_t address, size;
        \tuint32_t flags;
        };
        #define PIN_START _IOW('g', 7, struct pin_longterm)
        #define PIN_STOP _IO('g', 8)
        #define PIN_READ _IOW('g', 9, uint64_t)

        static int gup_test(void)
        {
        \tstatic int file = -1;

        \tif (file < 0)
        \t\tfile = open("/sys/kernel/debug/gup_test", O_RDWR);
        \tif (file < 0)
        \t\tskip("/sys/kernel/debug/gup_test");
        \treturn file;
        }

        """),
    .init(
      name: "pin_longterm",
      text: """
        static long pin_longterm(char *address, int pages, int is_write, int is_fast)
        {
        \tstruct pin_longterm request = {
        \t\t(uintptr_t)address, pages * STRIDE, (is_write ? 1 : 0) | (is_fast ? 2 : 0)
        \t};

        \treturn ioctl(gup_test(), PIN_START, &request) ? -errno : pages;
        }

        """),
    .init(
      name: "unpin_longterm",
      text: """
        static long unpin_longterm(void)
        {
        \treturn result(ioctl(gup_test(), PIN_STOP));
        }

        """),
    .init(
      name: "read_pinned",
      text: """
        /* The first byte behind the long-term pins; as many pages as were pinned fit. */
        static long read_pinned(void)
        {
        \tunsigned char *bytes = calloc(PAGES, STRIDE);
        \tuint64_t address = (uintptr_t)bytes;
        \tlong value = ioctl(gup_test(), PIN_READ, &address) ? -errno : bytes[0];

        \tfree(bytes);
        \treturn value;
        }

        """),
  ].sorted { $0.rank < $1.rank }
}

extension CParts.Function {
  /// What others are made of comes first.
  fileprivate var rank: Int { name == "pipes" ? 0 : 1 }
}
