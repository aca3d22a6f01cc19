// The memory-mapped bus: which device answers at a guest physical address that no memslot backs.
//
// vcpuThread.ts brings each MMIO exit here. A device is a plain hardware step: it never yields. False means that
// nothing answers, or not at this offset or width; the guest then takes an access fault.

/** Data of one access, little endian; a read fills it. */
export interface MmioData {
  lo: number;
  hi: number;
}

export type AccessLength = 1 | 2 | 4 | 8;

export interface Device {
  /** Guest physical address of its first byte. */
  readonly base: number;
  /** Bytes that it decodes. */
  readonly size: number;
  /** `offset` is naturally aligned and [offset, offset + length) lies within the device. */
  read(offset: number, length: AccessLength, data: MmioData): boolean;
  write(offset: number, length: AccessLength, lo: number, hi: number): boolean;
}

export class Bus {
  readonly #devices: Device[] = [];

  attach(device: Device): void {
    this.#devices.push(device);
  }

  /** Fills `data`, with zeros beyond `length`. */
  read(address: number, length: AccessLength, data: MmioData): boolean {
    data.lo = 0;
    data.hi = 0;
    const device = this.#find(address, length);
    return device?.read(address - device.base, length, data) ?? false;
  }

  write(address: number, length: AccessLength, lo: number, hi: number): boolean {
    const device = this.#find(address, length);
    return device?.write(address - device.base, length, lo, hi) ?? false;
  }

  #find(address: number, length: number): Device | undefined {
    if (address % length !== 0) return undefined;
    return this.#devices.find((d) => address >= d.base && address + length <= d.base + d.size);
  }
}
