/*
 * What the kernel of this machine answers to a script of `umbra mm`: the same operations as real system calls, and the same
 * records, one line of JSON each. The soak `kernel` compiles it and compares (test/soak/kernel.ts).
 *
 *     cc -O1 -static -no-pie -o recorder recorder.c && ./recorder FOLDER < SCRIPT
 *
 * The two files are made in FOLDER, which should be on ext4. Root only: /proc/PID/pagemap tells nobody else where a page is,
 * and /proc/kpageflags is how the page of zeros is known. Swap space should be on, for PAGEOUT.
 *
 * The script's process is this one, which nothing else lives in: the window is far from a static program, its stack and its
 * heap. A child of the script is a child of it, which is told its operations through one pipe and answers through another.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WINDOW 0x100000000ul
#define PAGES 64
#define PAGE 4096ul
#define FILE_PAGES 16
#define CHILDREN 10
#define KPF_ZERO_PAGE 24
#define PM_EXCLUSIVE (1ull << 56)
#define PM_FILE (1ull << 61)
#define PM_SWAP (1ull << 62)
#define PM_PRESENT (1ull << 63)

struct child {
	pid_t pid;
	int to, from;
};

static const char *name = "0";
static struct child children[CHILDREN];
static int files[2], kpageflags, copy[2];
static ino_t inodes[2];

static char record[1 << 16];
static size_t recorded;
#define put(...) (recorded += (size_t)snprintf(record + recorded, sizeof record - recorded, __VA_ARGS__))

static void die(const char *what)
{
	perror(what);
	_exit(2);
}

static char *page(long number)
{
	return (char *)(WINDOW + (unsigned long)number * PAGE);
}

/* Signals: an access either happens or ends here. */

static sigjmp_buf out;
static volatile sig_atomic_t accessing;
static int signum, sigcode;

static void caught(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (!accessing)
		_exit(3);
	signum = number;
	sigcode = info->si_code;
	siglongjmp(out, 1);
}

static void put_signal(void)
{
	const char *code = signum == SIGBUS ? "ADRERR" : sigcode == SEGV_MAPERR ? "MAPERR" : "ACCERR";

	put(",\"sig\":\"%s\",\"code\":\"%s\"", signum == SIGBUS ? "BUS" : "SEGV", code);
}

/* A macro, since the frame that sigsetjmp() returns to must still be there. 0: the access happened. */
#define access_ends_in_signal(statement)          \
	({                                        \
		volatile int sent = 1;            \
		accessing = 1;                    \
		if (!sigsetjmp(out, 1)) {         \
			statement;                \
			sent = 0;                 \
		}                                 \
		accessing = 0;                    \
		sent;                             \
	})

/*
 * What is written while faults are counted, on one page, which the first getrusage() writes: so that counting takes no fault
 * of its own, after a fork neither.
 */
static struct {
	struct rusage before, after;
	volatile unsigned char value;
	volatile int done;
	volatile long taken;
} counted __attribute__((aligned(4096)));

static long faults(void)
{
	const struct rusage *before = &counted.before, *after = &counted.after;

	return after->ru_minflt + after->ru_majflt - before->ru_minflt - before->ru_majflt;
}

/* The state after an operation. */

static char text[1 << 18];

static void read_text(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t length = 0, got;

	while ((got = read(fd, text + length, sizeof text - 1 - (size_t)length)) > 0)
		length += got;
	text[length] = 0;
	close(fd);
}

static const char *object_name(unsigned long inode, const char *line)
{
	static unsigned long shared[256];
	static int count;
	static char found[16];
	int i;

	if (inode == 0)
		return "anon";
	if (strstr(line, "/dev/zero") == NULL)
		return inode == inodes[0] ? "f0" : "f1";
	for (i = 0; i < count && shared[i] != inode; i++)
		;
	if (i == count)
		shared[count++] = inode;
	snprintf(found, sizeof found, "sh%d", i);
	return found;
}

static void put_flags(const char *line)
{
	static const char *const shown[] = { " lo", " sr", " rr", " dc", " lf", " wf" };
	const char *space = "";

	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
		if (strstr(line, shown[i]) == NULL)
			continue;
		put("%s%s", space, shown[i] + 1);
		space = " ";
	}
}

/* Marks in `mapped` the pages that have a VMA. */
static void put_vmas(char mapped[PAGES])
{
	const char *comma = "";
	int inside = 0;

	read_text("/proc/self/smaps");
	put(",\"vmas\":[");
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		unsigned long start, end, offset, inode;
		char prot[8];

		if (sscanf(line, "%lx-%lx %4s %lx %*x:%*x %lu", &start, &end, prot, &offset, &inode) == 5) {
			inside = start >= WINDOW && end <= WINDOW + PAGES * PAGE;
			if (!inside)
				continue;
			put("%s[%lu,%lu,\"%.3s\",\"%c\",\"%s\",%lu,\"", comma, (start - WINDOW) / PAGE,
			    (end - start) / PAGE, prot, prot[3], object_name(inode, line), inode ? offset / PAGE : 0);
			memset(mapped + (start - WINDOW) / PAGE, 1, (end - start) / PAGE);
			comma = ",";
		} else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			put_flags(line + 8);
			put("\"]");
		}
	}
	put("]");
}

static void read_pagemap(uint64_t entries[PAGES])
{
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (pread(fd, entries, PAGES * 8, WINDOW / PAGE * 8) != PAGES * 8)
		die("pagemap");
	close(fd);
}

static char page_letter(uint64_t entry)
{
	uint64_t flags = 0;
	off_t frame = (off_t)(entry & ((1ull << 55) - 1));

	if ((entry & PM_PRESENT) == 0)
		return (entry & PM_SWAP) != 0 ? 'S' : '-';
	if (frame == 0 || pread(kpageflags, &flags, 8, frame * 8) != 8)
		die("kpageflags");
	if ((flags >> KPF_ZERO_PAGE & 1) != 0)
		return 'z';
	if ((entry & PM_FILE) != 0)
		return (entry & PM_EXCLUSIVE) != 0 ? 'F' : 'f';
	return (entry & PM_EXCLUSIVE) != 0 ? 'A' : 'a';
}

static void put_state(void)
{
	uint64_t entries[PAGES];
	char mapped[PAGES] = { 0 };

	read_pagemap(entries);
	put_vmas(mapped);
	put(",\"pages\":\"");
	for (int i = 0; i < PAGES; i++)
		put("%c", mapped[i] ? page_letter(entries[i]) : '.');
	put("\"}");
}

/* Operations. Words of the line: w[0] is the operation. */

static void put_result(long result)
{
	if (result < 0)
		put(",\"ret\":-1,\"err\":\"%s\"", strerrorname_np(errno));
	else
		put(",\"ret\":%ld,\"err\":\"OK\"", result);
}

static int prot_of(const char *letters)
{
	return (letters[0] == 'r' ? PROT_READ : 0) | (letters[1] == 'w' ? PROT_WRITE : 0) |
	       (letters[2] == 'x' ? PROT_EXEC : 0);
}

static long do_mmap(char **w, int words)
{
	const char *object = w[4], *extra = words > 6 ? w[6] : "";
	int is_anon = strstr(object, "anon") != NULL;
	int flags = object[0] == 's' ? MAP_SHARED : MAP_PRIVATE;

	flags |= is_anon ? MAP_ANONYMOUS : 0;
	flags |= strcmp(extra, "noreplace") == 0 ? MAP_FIXED_NOREPLACE : MAP_FIXED;
	flags |= strcmp(extra, "populate") == 0 ? MAP_POPULATE : 0;
	flags |= strcmp(extra, "norsv") == 0 ? MAP_NORESERVE : 0;
	flags |= strcmp(extra, "locked") == 0 ? MAP_LOCKED : 0;
	return mmap(page(atol(w[1])), (size_t)atol(w[2]) * PAGE, prot_of(w[3]), flags,
		    is_anon ? -1 : files[object[2] - '0'], atol(w[5]) * (long)PAGE) == MAP_FAILED ? -1 : 0;
}

static long do_mremap(char **w, int words)
{
	size_t old = (size_t)atol(w[2]) * PAGE, new = (size_t)atol(w[3]) * PAGE;
	int flags = words > 6 ? MREMAP_DONTUNMAP : 0;
	char *moved = words > 4 ? mremap(page(atol(w[1])), old, new, flags | MREMAP_MAYMOVE | MREMAP_FIXED, page(atol(w[5]))) :
				  mremap(page(atol(w[1])), old, new, 0);

	return moved == MAP_FAILED ? -1 : (moved - page(0)) / (long)PAGE;
}

static int advice_of(const char *word)
{
	static const struct {
		const char *word;
		int advice;
	} advices[] = {
		{ "NORMAL", 0 }, { "RANDOM", 1 }, { "SEQUENTIAL", 2 }, { "WILLNEED", 3 }, { "DONTNEED", 4 }, { "FREE", 8 },
		{ "REMOVE", 9 }, { "DONTFORK", 10 }, { "DOFORK", 11 }, { "WIPEONFORK", 18 }, { "KEEPONFORK", 19 },
		{ "COLD", 20 }, { "PAGEOUT", 21 }, { "POPULATE_READ", 22 }, { "POPULATE_WRITE", 23 },
		{ "DONTNEED_LOCKED", 24 },
	};

	for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
		if (strcmp(advices[i].word, word) == 0)
			return advices[i].advice;
	die(word);
	return -1;
}

/* Of a page in swap space mincore() says whether it is in the swap cache as well, which is a matter of time. */
static void do_mincore(long first, long count)
{
	unsigned char core[PAGES];
	uint64_t entries[PAGES];
	long result;

	read_pagemap(entries);
	result = mincore(page(first), (size_t)count * PAGE, core);
	if (result == 0) {
		put(",\"core\":\"");
		for (long i = 0; i < count; i++) {
			uint64_t entry = entries[first + i];
			put("%c", (entry & PM_PRESENT) == 0 && (entry & PM_SWAP) != 0 ? '?' : '0' + (core[i] & 1));
		}
		put("\"");
	}
	put_result(result);
}

static void do_read(volatile unsigned char *address)
{
	if (access_ends_in_signal({
		    getrusage(RUSAGE_SELF, &counted.before);
		    counted.value = *address;
		    getrusage(RUSAGE_SELF, &counted.after);
	    }))
		put_signal();
	else
		put(",\"val\":%d,\"flt\":%ld", counted.value, faults());
}

static void do_write(volatile unsigned char *address, int value)
{
	if (access_ends_in_signal({
		    getrusage(RUSAGE_SELF, &counted.before);
		    *address = (unsigned char)value;
		    getrusage(RUSAGE_SELF, &counted.after);
	    }))
		put_signal();
	else
		put(",\"flt\":%ld", faults());
}

/* The faults of the store that ends in a signal are not counted. */
static void do_fill(char *address, int count, int value)
{
	int ended;

	counted.done = 0;
	counted.taken = 0;
	ended = access_ends_in_signal(for (; counted.done < count; counted.done++) {
		getrusage(RUSAGE_SELF, &counted.before);
		*(volatile char *)(address + (unsigned long)counted.done * PAGE + 16) = (char)(value + counted.done);
		getrusage(RUSAGE_SELF, &counted.after);
		counted.taken += faults();
	});
	put(",\"done\":%d,\"flt\":%ld", counted.done, counted.taken);
	if (ended)
		put_signal();
}

/* The kernel copies: through a pipe, which answers EFAULT where an access would be signalled. */
static long kernel_reads(char *address)
{
	unsigned char value;

	if (write(copy[1], address, 1) != 1)
		return -1;
	if (read(copy[0], &value, 1) != 1)
		die("pipe");
	put(",\"val\":%d", value);
	return 0;
}

static long kernel_writes(char *address, int value)
{
	char byte = (char)value;
	int error;

	if (write(copy[1], &byte, 1) != 1)
		die("pipe");
	if (read(copy[0], address, 1) == 1)
		return 0;
	error = errno;
	if (read(copy[0], &byte, 1) != 1)
		die("pipe");
	errno = error;
	return -1;
}

static long read_file(int fd, off_t offset)
{
	unsigned char value;
	ssize_t got = pread(fd, &value, 1, offset);

	if (got == 1)
		put(",\"val\":%d", value);
	return got;
}

static long write_file(int fd, off_t offset, int value)
{
	char byte = (char)value;

	return pwrite(fd, &byte, 1, offset) < 0 ? -1 : 0;
}

static void dump(void)
{
	static volatile unsigned char low, high;

	put(",\"data\":\"");
	for (int i = 0; i < PAGES; i++) {
		const char *space = i > 0 ? " " : "";

		if (access_ends_in_signal({
			    low = *(volatile unsigned char *)(page(i) + 0x10);
			    high = *(volatile unsigned char *)(page(i) + 0xc10);
		    }))
			put("%s%s", space, signum == SIGBUS ? "BBBB" : "----");
		else
			put("%s%02x%02x", space, low, high);
	}
	put("\"");
}

/* Children. */

static void send(int fd, const char *line)
{
	size_t length = strlen(line);

	if (write(fd, line, length) != (ssize_t)length || write(fd, "\n", 1) != 1)
		die("pipe");
}

/* False: the other end is closed. */
static int receive(int fd, char *line, size_t size)
{
	size_t length = 0;

	while (length < size - 1 && read(fd, line + length, 1) == 1 && line[length] != '\n')
		length++;
	if (length == 0)
		return 0;
	line[length] = 0;
	return 1;
}

static void play(int number, const char *operation);

static void live(int number, int from, int to)
{
	static char line[256];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	recorded = 0;
	put("{\"i\":%d,\"proc\":\"%s\",\"op\":\"state\"", number, name);
	put_state();
	send(to, record);
	while (receive(from, line, sizeof line)) {
		char *operation;

		recorded = 0;
		number = (int)strtol(line, &operation, 10);
		play(number, operation + 1);
		send(to, record);
	}
	_exit(0);
}

static void do_fork(int number, const char *child_name)
{
	static char answer[1 << 15];
	struct child *child = &children[child_name[1] - '0'];
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
		die("pipe");
	child->pid = fork();
	if (child->pid < 0)
		die("fork");
	if (child->pid == 0) {
		/* Only its parent may hold the end that says, closed, that the child is to exit. */
		for (int i = 0; i < CHILDREN; i++)
			if (children[i].to != 0)
				close(children[i].to);
		close(to[1]);
		name = strdup(child_name);
		live(number, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	child->to = to[1];
	child->from = from[0];
	if (!receive(child->from, answer, sizeof answer))
		die("child");
	put(",\"child\":%s", answer);
}

static void do_exit(const char *child_name)
{
	struct child *child = &children[child_name[1] - '0'];
	int status;

	close(child->to);
	close(child->from);
	waitpid(child->pid, &status, 0);
	memset(child, 0, sizeof *child);
	put(",\"status\":%d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* One operation of this process, and its record. */
static void play(int number, const char *operation)
{
	char line[256], *w[10] = { 0 };
	int words = 0;

	put("{\"i\":%d,\"proc\":\"%s\",\"op\":\"%s\"", number, name, operation);
	snprintf(line, sizeof line, "%s", operation);
	for (char *word = strtok(line, " "); word != NULL && words < 10; word = strtok(NULL, " "))
		w[words++] = word;

#define is(word) (strcmp(w[0], word) == 0)
#define arg(i) atol(w[i])
#define range page(arg(1)), (size_t)arg(2) * PAGE
	if (is("mmap"))
		put_result(do_mmap(w, words));
	else if (is("munmap"))
		put_result(munmap(range));
	else if (is("mprotect"))
		put_result(mprotect(range, prot_of(w[3])));
	else if (is("mremap"))
		put_result(do_mremap(w, words));
	else if (is("madvise"))
		put_result(madvise(range, advice_of(w[3])));
	else if (is("mlock"))
		put_result(mlock(range));
	else if (is("mlock2"))
		put_result(mlock2(range, MLOCK_ONFAULT));
	else if (is("munlock"))
		put_result(munlock(range));
	else if (is("msync"))
		put_result(msync(range, w[3][0] == 's' ? MS_SYNC : w[3][0] == 'a' ? MS_ASYNC : MS_INVALIDATE));
	else if (is("mincore"))
		do_mincore(arg(1), arg(2));
	else if (is("r"))
		do_read((unsigned char *)page(arg(1)) + arg(2));
	else if (is("w"))
		do_write((unsigned char *)page(arg(1)) + arg(2), (int)arg(3));
	else if (is("fill"))
		do_fill(page(arg(1)), (int)arg(2), (int)arg(3));
	else if (is("ur"))
		put_result(kernel_reads(page(arg(1)) + arg(2)));
	else if (is("uw"))
		put_result(kernel_writes(page(arg(1)) + arg(2), (int)arg(3)));
	else if (is("fr"))
		put_result(read_file(files[arg(1)], arg(2) * (long)PAGE + arg(3)));
	else if (is("fw"))
		put_result(write_file(files[arg(1)], arg(2) * (long)PAGE + arg(3), (int)arg(4)));
	else if (is("ftrunc"))
		put_result(ftruncate(files[arg(1)], arg(2) * (long)PAGE / 2));
	else if (is("fpunch"))
		put_result(fallocate(files[arg(1)], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, arg(2) * (long)PAGE,
				     arg(3) * (long)PAGE));
	else if (is("dump"))
		dump();
	else if (is("fork"))
		do_fork(number, w[1]);
	else if (is("exit"))
		do_exit(w[1]);
	else if (!is("state"))
		die(w[0]);
	put_state();
}

/* Page by page and on the disk, so that the page cache holds folios of one page, all of them clean. */
static void make_file(const char *folder, int number)
{
	char path[512], contents[PAGE];
	struct stat status;

	snprintf(path, sizeof path, "%s/f%d", folder, number);
	files[number] = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (int i = 0; i < FILE_PAGES; i++) {
		memset(contents, (number == 0 ? 1 : 129) + i, PAGE);
		if (write(files[number], contents, PAGE) != (ssize_t)PAGE)
			die(path);
	}
	if (fsync(files[number]) != 0 || fstat(files[number], &status) != 0)
		die(path);
	inodes[number] = status.st_ino;
	unlink(path);
}

static void set_up(const char *folder)
{
	struct sigaction action = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO };
	cpu_set_t one;

	/* One CPU, so that no page waits in the batches of another for the LRU. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof one, &one) != 0)
		die("sched_setaffinity");
	make_file(folder, 0);
	make_file(folder, 1);
	kpageflags = open("/proc/kpageflags", O_RDONLY);
	if (kpageflags < 0)
		die("kpageflags");
	if (pipe2(copy, O_NONBLOCK) != 0)
		die("pipe");
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

int main(int argc, char **argv)
{
	static char line[256], answer[1 << 16];
	int number = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: recorder FOLDER < SCRIPT\n");
		return 2;
	}
	set_up(argv[1]);
	while (fgets(line, sizeof line, stdin) != NULL) {
		line[strcspn(line, "\n")] = 0;
		if (line[0] == '#' || line[0] == 0)
			continue;
		if (line[0] == '@') {
			struct child *child = &children[line[2] - '0'];
			char operation[272];

			snprintf(operation, sizeof operation, "%d %s", number, strchr(line, ' ') + 1);
			send(child->to, operation);
			if (!receive(child->from, answer, sizeof answer))
				die("child");
			puts(answer);
		} else {
			recorded = 0;
			play(number, line);
			puts(record);
		}
		fflush(stdout);
		number++;
	}
	for (int i = 0; i < CHILDREN; i++)
		if (children[i].pid != 0)
			kill(children[i].pid, SIGKILL);
	return 0;
}
