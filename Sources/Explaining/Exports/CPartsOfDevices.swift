// SPDX-License-Identifier: MIT

/// Devices, drivers and other processes, in an exported C program.
enum CPartsOfDevices {
  static let all: [CParts.Function] = [
    .init(
      name: "write_file",
      text: """
        static long write_file(const char *path, const char *text)
        {
        \tint file = open(path, O_WRONLY);
        \tlong value;

        \tif (file < 0)
        \t\tskip(path);
        \tvalue = write(file, text, strlen(text)) < 0 ? -errno : 0;
        \tclose(file);
        \treturn value;
        }

        """),
    .init(
      name: "direct_io",
      text: """
        /* O_DIRECT with a page as buffer; the device fills it, or tells what it read of it. */
        static long direct_io(char *address, int byte, int is_fill)
        {
        \tconst char *path = getenv("PAGEFUZZ_SCRATCH");
        \tstatic unsigned char bytes[4096] __attribute__((aligned(4096)));
        \tint file = open(path ? path : "/var/tmp/pagefuzz", O_RDWR | O_CREAT | O_DIRECT, 0600);
        \tlong value;

        \tif (file < 0)
        \t\tskip("PAGEFUZZ_SCRATCH names no file that takes direct I/O");
        \tif (is_fill) {
        \t\tmemset(bytes, byte, sizeof(bytes));
        \t\tvalue = pwrite(file, bytes, sizeof(bytes), 0);
        \t\tif (value > 0)
        \t\t\tvalue = pread(file, address, sizeof(bytes), 0);
        \t} else {
        \t\tvalue = pwrite(file, address, sizeof(bytes), 0);
        \t\tif (value > 0)
        \t\t\tvalue = pread(file, bytes, sizeof(bytes), 0);
        \t}
        \tvalue = value < 0 ? -errno : is_fill ? 0 : bytes[0];
        \tclose(file);
        \treturn value;
        }

        """),
    .init(
      name: "read_process",
      text: """
        static long read_process(int mm, char *address)
        {
        \tunsigned char byte = 0;
        \tstruct iovec local = { &byte, 1 }, remote = { address, 1 };

        \treturn process_vm_readv(all->process[mm], &local, 1, &remote, 1, 0) < 0 ? -errno : byte;
        }

        """),
    .init(
      name: "break_page",
      text: """
        /* FIEMAP of the first extent at an offset, and the frame behind it. */
        struct extents {
        \tuint64_t start, length;
        \tuint32_t flags, mapped, count, reserved;
        \tstruct {
        \t\tuint64_t logical, physical, length, reserved[2];
        \t\tuint32_t flags, more[3];
        \t} extent;
        };
        #define PAGEFUZZ_FIEMAP _IOC(_IOC_READ | _IOC_WRITE, 'f', 11, 32)

        static long break_page(int file, int page)
        {
        \tconst char *start = getenv("PAGEFUZZ_PMEM_START");
        \tstruct extents map = { .start = page * STRIDE, .length = 4096, .count = 1 };
        \tuint64_t physical;
        \tchar text[32];

        \tif (!start)
        \t\tskip("PAGEFUZZ_PMEM_START is the physical address of the device (/proc/iomem)");
        \tif (ioctl(files[file], PAGEFUZZ_FIEMAP, &map) || map.mapped == 0)
        \t\treturn -ENXIO;
        \tphysical = strtoull(start, NULL, 0) + map.extent.physical + map.start -
        \t\t   map.extent.logical;
        \tsnprintf(text, sizeof(text), "0x%llx", (unsigned long long)(physical / 4096));
        \treturn write_file("/sys/kernel/debug/hwpoison/corrupt-pfn", text);
        }

        """),
    .init(
      name: "bind_driver",
      text: """
        static long bind_driver(const char *driver, const char *device, const char *action)
        {
        \tchar path[256];

        \tsnprintf(path, sizeof(path), "/sys/bus/%s/%s", driver, action);
        \treturn write_file(path, device);
        }

        """),
    .init(
      name: "namespace",
      text: """
        static const char *namespace(void)
        {
        \tconst char *name = getenv("PAGEFUZZ_NAMESPACE");

        \treturn name ? name : "namespace0.0";
        }

        """),
    .init(
      name: "dax_device",
      text: """
        static const char *dax_device(void)
        {
        \tconst char *name = getenv("PAGEFUZZ_DEVDAX");

        \treturn name ? name : "dax0.0";
        }

        """),
    .init(
      name: "device_dax",
      text: """
        static int device_dax(void)
        {
        \tchar path[256];
        \tint file;

        \tsnprintf(path, sizeof(path), "/dev/%s", dax_device());
        \tfile = open(path, O_RDWR);
        \tif (file < 0)
        \t\tskip("PAGEFUZZ_DEVDAX names no device-dax device");
        \treturn file;
        }

        """),
    .init(
      name: "pool",
      text: """
        static int pool(void)
        {
        \tconst char *path = getenv("PAGEFUZZ_POOL");
        \tint file = path ? open(path, O_RDWR) : -1;

        \tif (file < 0)
        \t\tskip("PAGEFUZZ_POOL names no p2pmem/allocate file");
        \treturn file;
        }

        """),
    .init(
      name: "load_test_hmm",
      text: """
        static long load_test_hmm(void)
        {
        \treturn system("modprobe test_hmm") ? -ENODEV : 0;
        }

        """),
    .init(
      name: "unload_test_hmm",
      text: """
        static long unload_test_hmm(void)
        {
        \treturn system("modprobe -r test_hmm") ? -EBUSY : 0;
        }

        """),
    .init(
      name: "hmm_command",
      text: """
        /* CONFIG_TEST_HMM: 0 and 1 have private pages, 2 and 3 coherent ones. */
        struct hmm_command {
        \tuint64_t address, buffer, pages, copied, faults;
        };

        static long hmm_command(int device, int number, char *address, void *buffer, int pages,
        \t\t\t\tlong *copied)
        {
        \tstruct hmm_command command = { (uintptr_t)address, (uintptr_t)buffer, pages, 0, 0 };
        \tstatic int opened[4];
        \tstatic pid_t owner;
        \tchar path[32];
        \tlong value;

        \tif (owner != getpid()) /* a device is opened by the process it mirrors */
        \t\tmemset(opened, 0, sizeof(opened));
        \towner = getpid();
        \tif (!opened[device]) {
        \t\tsnprintf(path, sizeof(path), "/dev/hmm_dmirror%d", device);
        \t\topened[device] = open(path, O_RDWR);
        \t}
        \tif (opened[device] < 0)
        \t\tskip("/dev/hmm_dmirror, of modprobe test_hmm");
        \tvalue = ioctl(opened[device], _IOWR('H', number, struct hmm_command), &command);
        \tif (copied)
        \t\t*copied = command.copied;
        \treturn value ? -errno : 0;
        }

        """),
    .init(
      name: "device_load",
      text: """
        static long device_load(int device, char *address)
        {
        \tunsigned char bytes[4096] = { 0 };
        \tlong value = hmm_command(device, 0, address, bytes, 1, NULL);

        \treturn value ? value : bytes[0];
        }

        """),
    .init(
      name: "device_store",
      text: """
        static long device_store(int device, char *address, int byte)
        {
        \tunsigned char bytes[4096];

        \tmemset(bytes, byte, sizeof(bytes));
        \treturn hmm_command(device, 1, address, bytes, 1, NULL);
        }

        """),
    .init(
      name: "move_pages",
      text: """
        static long move_pages(int device, int number, char *address, int pages)
        {
        \tchar *bytes = calloc(PAGES, 4096);
        \tlong copied = 0;
        \tlong value = hmm_command(device, number, address, bytes, pages, &copied);

        \tfree(bytes);
        \treturn value ? value : copied;
        }

        """),
    .init(
      name: "move_to_device",
      text: """
        static long move_to_device(int device, char *address, int pages)
        {
        \treturn move_pages(device, 2, address, pages);
        }

        """),
    .init(
      name: "move_to_memory",
      text: """
        static long move_to_memory(int device, char *address, int pages)
        {
        \treturn move_pages(device, 3, address, pages);
        }

        """),
    .init(
      name: "empty_device",
      text: """
        static long empty_device(int device, char *address)
        {
        \treturn hmm_command(device, 7, address, NULL, 0, NULL);
        }

        """),
  ]
}
