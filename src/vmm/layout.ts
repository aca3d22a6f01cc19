// Where things stand in guest physical memory: the layout of QEMU's `virt` machine (virt_memmap in hw/riscv/virt.c).
//
// board.ts attaches the devices there, deviceTree.ts tells the guest, the loader checks programs against `ram`.

/** Guest physical addresses. */
export const Layout = {
  finisher: 0x100000,
  clint: 0x2000000,
  uart: 0x10000000,
  ram: 0x80000000,
} as const;
