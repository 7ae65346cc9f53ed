// SPDX-License-Identifier: MIT

/// The functions an exported C program is made of; it has those its lines need.
///
/// Structures and numbers of ioctls are the kernel's interface, written down here so that no
/// header of it is needed.
enum CParts {
  /// A function with its name, which tells who needs it.
  struct Function: Sendable {
    var name: String
    var text: String
    /// What stands before it, once.
    var data = ""
  }

  /// The functions that some text calls, and those they call, in order.
  static func needed(by text: String) -> String {
    var needed: Set<String> = []
    var open = [text]
    while let user = open.popLast() {
      for function in all where !needed.contains(function.name) {
        guard user.calls(function.name) else { continue }
        needed.insert(function.name)
        open.append(function.text)
      }
    }
    return all.filter { needed.contains($0.name) }.map { $0.data + $0.text }.joined(separator: "\n")
  }

  private static let all = CPartsOfFiles.all + CPartsOfReferences.all + CPartsOfDevices.all

  /// Types, signals and addresses, which every program has.
  static let common = """
    #include <errno.h>
    #include <fcntl.h>
    #include <pthread.h>
    #include <sched.h>
    #include <setjmp.h>
    #include <signal.h>
    #include <stdatomic.h>
    #include <stdint.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/ioctl.h>
    #include <sys/mman.h>
    #include <sys/stat.h>
    #include <sys/types.h>
    #include <sys/uio.h>
    #include <sys/wait.h>
    #include <time.h>
    #include <unistd.h>

    #define KSFT_PASS 0
    #define KSFT_FAIL 1
    #define KSFT_SKIP 4
    #define LINE_MS 300
    #define SLEEPS (-100000L)
    #define UNKNOWN (-100001L)

    struct line {
    \tint cpu, mm, stopped, compares;
    \tlong correct, shown;
    \tlong (*run)(void);
    \tconst char *text;
    };

    /* What all processes of the test see. */
    struct shared {
    \tatomic_int ready, skipped, go[LINES + 1], done[LINES + 1], unpinned[16];
    \tatomic_long result[LINES + 1];
    \tpid_t process[2];
    \tchar reason[160];
    };
    static struct shared *all;
    static int my_mm;
    static pthread_t workers[CPUS];
    static __thread sigjmp_buf landing;
    static __thread volatile sig_atomic_t is_guarded;
    static char *slots[4] = {
    \t(char *)0x200000000000UL, (char *)0x200040000000UL,
    \t(char *)0x200080000000UL, (char *)0x2000c0000000UL,
    };
    static long start_workers(void);

    /* Ends the process that cannot go on; the test is skipped. */
    static void skip(const char *reason)
    {
    \tsnprintf(all->reason, sizeof(all->reason), "%s", reason);
    \tall->skipped = 1;
    \t_exit(KSFT_SKIP);
    }

    __attribute__((unused)) static char *at(int slot, int page)
    {
    \treturn slots[slot] + page * STRIDE;
    }

    __attribute__((unused)) static long result(long value)
    {
    \treturn value < 0 ? -errno : value;
    }

    static void on_signal(int number)
    {
    \tif (number == SIGUSR1)
    \t\treturn;
    \tif (is_guarded)
    \t\tsiglongjmp(landing, number);
    \t_exit(KSFT_FAIL);
    }

    static void catch_signals(void)
    {
    \tstruct sigaction action = { .sa_handler = on_signal };

    \tsigaction(SIGBUS, &action, NULL);
    \tsigaction(SIGSEGV, &action, NULL);
    \tsigaction(SIGUSR1, &action, NULL);
    }

    """

  /// Threads, the order of lines, and the verdict.
  static let main = """

    static void *work(void *argument)
    {
    \tlong cpu = (long)argument;
    \tcpu_set_t set;

    \tCPU_ZERO(&set);
    \tCPU_SET((int)cpu, &set);
    \tsched_setaffinity(0, sizeof(set), &set); /* fewer CPUs do, less well */
    \tfor (int i = 0; i < LINES; i++) {
    \t\tif (lines[i].cpu != cpu || lines[i].mm != my_mm)
    \t\t\tcontinue;
    \t\twhile (!all->go[i])
    \t\t\tsched_yield();
    \t\tall->result[i] = lines[i].run();
    \t\tall->done[i] = 1;
    \t}
    \treturn NULL;
    }

    static long start_workers(void)
    {
    \tfor (long cpu = 0; cpu < CPUS; cpu++) {
    \t\tif (pthread_create(&workers[cpu], NULL, work, (void *)cpu))
    \t\t\treturn -EAGAIN;
    \t}
    \treturn 0;
    }

    static void subject(void)
    {
    \tall->process[0] = getpid();
    \tset_up();
    \tif (start_workers())
    \t\tskip("threads");
    \tall->ready = 1;
    \tfor (;;)
    \t\tpause(); /* what the lines hold stays until the test is over */
    }

    static int is_gone; /* the process with the lines has ended */

    static int wait_for(atomic_int *flag, int milliseconds, pid_t child)
    {
    \tfor (int i = 0; i < milliseconds && !*flag; i++) {
    \t\tif (child > 0 && waitpid(child, NULL, WNOHANG) == child) {
    \t\t\tis_gone = 1;
    \t\t\treturn *flag;
    \t\t}
    \t\tusleep(1000);
    \t}
    \treturn *flag;
    }

    /* Counts what the kernel has warned of since the log was opened. */
    static int count_warnings(int log)
    {
    \tchar record[8192];
    \tint warnings = 0;
    \tssize_t length;

    \twhile ((length = read(log, record, sizeof(record) - 1)) > 0) {
    \t\trecord[length] = 0;
    \t\tif (strstr(record, "WARNING:") || strstr(record, "BUG:") ||
    \t\t    strstr(record, "KASAN") || strstr(record, "refcount_t")) {
    \t\t\tprintf("# kernel: %s", record);
    \t\t\twarnings++;
    \t\t}
    \t}
    \treturn warnings;
    }

    static const char *words(long value, char *text, size_t size)
    {
    \tif (value == SLEEPS)
    \t\treturn "sleeps";
    \tif (value == UNKNOWN)
    \t\treturn "unknown";
    \tsnprintf(text, size, "%ld", value);
    \treturn text;
    }

    int main(void)
    {
    \tint log, failures = 0;
    \tpid_t child;

    \tsetvbuf(stdout, NULL, _IONBF, 0);
    \tprintf("TAP version 13\\n1..1\\n");
    \tif (IS_EMPTY) {
    \t\tprintf("ok 1 # SKIP no line can be called from user space\\n");
    \t\treturn KSFT_SKIP;
    \t}
    \tall = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    \tif (all == MAP_FAILED)
    \t\treturn KSFT_SKIP;
    \tlog = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
    \tif (log >= 0)
    \t\tlseek(log, 0, SEEK_END);
    \tchild = fork();
    \tif (child < 0)
    \t\treturn KSFT_SKIP;
    \tif (child == 0)
    \t\tsubject();
    \tif (wait_for(&all->ready, 5000, child)) {
    \t\tfor (int i = 0; i < LINES && !all->skipped; i++) {
    \t\t\tall->go[i] = 1;
    \t\t\tif (!lines[i].stopped)
    \t\t\t\twait_for(&all->done[i], LINE_MS, 0);
    \t\t\tif (lines[i].compares) {
    \t\t\t\tlong seen = all->done[i] ? all->result[i] : SLEEPS;
    \t\t\t\tchar buffers[3][32];

    \t\t\t\tprintf("# %s: %s, correct %s, in the model %s\\n", lines[i].text,
    \t\t\t\t       words(seen, buffers[0], 32),
    \t\t\t\t       words(lines[i].correct, buffers[1], 32),
    \t\t\t\t       words(lines[i].shown, buffers[2], 32));
    \t\t\t\tfailures += seen != lines[i].correct;
    \t\t\t}
    \t\t}
    \t\tusleep(LINE_MS * 1000);
    \t}
    \tif (log >= 0)
    \t\tfailures += count_warnings(log);
    \telse
    \t\tprintf("# /dev/kmsg cannot be read: warnings are not seen\\n");
    \tif (all->process[1] > 0)
    \t\tkill(all->process[1], SIGKILL);
    \tif (!is_gone)
    \t\tkill(child, SIGKILL); /* one that sleeps for ever stays behind */
    \tif (all->skipped || !all->ready) {
    \t\tprintf("ok 1 # SKIP %s\\n", all->skipped ? all->reason : "the set-up failed");
    \t\treturn KSFT_SKIP;
    \t}
    \tprintf("%s 1 pagefuzz\\n", failures ? "not ok" : "ok");
    \treturn failures ? KSFT_FAIL : KSFT_PASS;
    }

    """
}

extension String {
  /// Whether some C text calls or names a function, and not one whose name ends alike.
  fileprivate func calls(_ name: String) -> Bool {
    let (text, word) = (Array(utf8), Array(name.utf8))
    guard text.count > word.count else { return false }
    let isLetter: (UInt8) -> Bool = { byte in
      byte == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    return (0...text.count - word.count).contains { start in
      guard text[start] == word[0], text[start..<start + word.count].elementsEqual(word) else {
        return false
      }
      let end = start + word.count
      return (start == 0 || !isLetter(text[start - 1]))
        && (end == text.count || !isLetter(text[end]))
    }
  }
}
