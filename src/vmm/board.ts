// The board: the devices at their places on the bus, and how the guest's end is recorded.
//
// vmm.ts builds one per VM; vcpuThread.ts brings MMIO exits to `bus` and stores to the page of tohost to `htif`.
//
// Invariant: `stop` is written once; whatever ends the guest first wins.

import type { Scheduler } from '../sched/index.ts';
import { Bus } from './bus.ts';
import { Clint, type ClintHost } from './clint.ts';
import type { ElfImage } from './elf.ts';
import { Finisher } from './finisher.ts';
import { type GuestMemory, Htif } from './htif.ts';
import { Layout } from './layout.ts';
import type { StopRecord } from './stop.ts';
import { Uart } from './uart.ts';

export interface BoardConfig {
  readonly sched: Scheduler;
  readonly image: ElfImage;
  readonly harts: number;
  readonly memory: GuestMemory;
  readonly clintHost: ClintHost;
  /** Takes what the guest prints; the bytes are valid during the call only. */
  readonly console: (bytes: Uint8Array) => void;
  /** Called once, when the guest ends itself. */
  readonly stop: (record: StopRecord) => void;
}

export class Board {
  readonly bus = new Bus();
  readonly clint: Clint;
  /** Null for a program without the symbol tohost. */
  readonly htif: Htif | null;

  constructor({ sched, image, harts, memory, clintHost, console, stop }: BoardConfig) {
    this.clint = new Clint(Layout.clint, harts, clintHost);
    this.bus.attach(this.clint);
    this.bus.attach(new Uart(Layout.uart, console));
    this.bus.attach(new Finisher(Layout.finisher, stop));
    const tohost = image.symbols.get('tohost')?.address;
    const fromhost = image.symbols.get('fromhost')?.address ?? null;
    this.htif = tohost === undefined ? null : new Htif({ sched, memory, tohost, fromhost, console, stop });
  }
}
