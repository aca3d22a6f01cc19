// What stands under each program of the benchmark on a PC: from multiboot to paging, and from the result to the last line
// on the serial port, which whoever runs it waits for. As runtime.s, with 4 KiB pages for lack of gigapages.

__asm__(".section .text.start, \"ax\"\n"
        ".balign 4\n"
        ".long 0x1badb002, 0, -0x1badb002\n"
        ".globl _start\n"
        "_start:\n"
        "  movl $stack_end, %esp\n"
        "  call start\n"
        "1: hlt\n"
        "  jmp 1b\n"
        ".text\n"
        ".bss\n"
        ".balign 4096\n"
        ".space 65536\n"
        "stack_end:\n"
        ".text\n");

enum { TABLES = 8, SERIAL = 0x3f8 };
static unsigned directory[1024] __attribute__((aligned(4096)));
static unsigned tables[TABLES][1024] __attribute__((aligned(4096)));

unsigned long long bench(unsigned long rounds, unsigned long bytes);

static void put(char c) { __asm__ volatile("outb %0, %1" : : "a"(c), "Nd"((unsigned short)SERIAL)); }

void *memset(void *to, int value, unsigned long count) {
  for (unsigned long i = 0; i < count; i++) ((char *)to)[i] = value;
  return to;
}

void *memcpy(void *to, const void *from, unsigned long count) {
  for (unsigned long i = 0; i < count; i++) ((char *)to)[i] = ((const char *)from)[i];
  return to;
}

void start(void) {
  for (unsigned i = 0; i < TABLES; i++) {
    for (unsigned j = 0; j < 1024; j++) tables[i][j] = i << 22 | j << 12 | 0x63;
    directory[i] = (unsigned)tables[i] | 0x63;
  }
  __asm__ volatile("mov %0, %%cr3\n mov %%cr0, %%eax\n or $0x80000000, %%eax\n mov %%eax, %%cr0"
                   : : "r"(directory) : "eax", "memory");
  unsigned long long result = bench(ROUNDS, BYTES);
  for (int shift = 60; shift >= 0; shift -= 4) put("0123456789abcdef"[result >> shift & 15]);
  put('\n');
}
