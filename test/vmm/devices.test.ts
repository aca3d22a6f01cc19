// The devices of the board, through its bus.

import { describe, expect, it } from 'vitest';
import { type AccessLength, Bus, type Device } from '../../src/vmm/bus.ts';
import { Clint } from '../../src/vmm/clint.ts';
import { Finisher } from '../../src/vmm/finisher.ts';
import type { StopRecord } from '../../src/vmm/stop.ts';
import { Uart } from '../../src/vmm/uart.ts';

function busWith(device: Device) {
  const bus = new Bus();
  bus.attach(device);
  return {
    /** The value read, or null where nothing answers. */
    read(address: number, length: AccessLength = 1): bigint | null {
      const data = { lo: -1, hi: -1 };
      if (!bus.read(address, length, data)) return null;
      return (BigInt(data.hi >>> 0) << 32n) | BigInt(data.lo >>> 0);
    },
    write(address: number, value: number | bigint, length: AccessLength = 1): boolean {
      const bits = BigInt.asUintN(64, BigInt(value));
      return bus.write(
        address,
        length,
        Number(BigInt.asIntN(32, bits)),
        Number(BigInt.asIntN(32, bits >> 32n)),
      );
    },
  };
}

describe('the bus', () => {
  const bus = busWith(new Finisher(0x1000, () => {}));

  it('answers only within a device', () => {
    expect(bus.read(0xffc, 4)).toBeNull();
    expect(bus.read(0x1000, 4)).toBe(0n);
    expect(bus.read(0x1ffc, 4)).toBe(0n);
    expect(bus.read(0x2000, 4)).toBeNull();
    expect(bus.write(2 ** 55, 0, 8)).toBe(false);
  });

  it('refuses misaligned accesses', () => {
    expect(bus.read(0x1002, 4)).toBeNull();
    expect(bus.write(0x1001, 0, 2)).toBe(false);
  });
});

describe('the finisher', () => {
  function finish(value: number, length: AccessLength = 4, offset = 0): StopRecord[] {
    const stops: StopRecord[] = [];
    busWith(new Finisher(0x100000, (record) => stops.push(record))).write(0x100000 + offset, value, length);
    return stops;
  }

  it('passes, fails with a code, and resets', () => {
    expect(finish(0x5555)).toEqual([{ via: 'finisher', code: 0, crash: null, reason: null }]);
    expect(finish(0x5555, 2)).toHaveLength(1);
    expect(finish(0x3333 | (7 << 16))).toEqual([{ via: 'finisher', code: 7, crash: null, reason: null }]);
    expect(finish(0xffff3333)[0]?.code).toBe(0xffff);
    expect(finish(0x7777)[0]).toEqual({ via: 'finisher', code: 0, crash: null, reason: 'reset' });
  });

  it('makes a failure without a code a failure still', () => {
    expect(finish(0x3333)[0]?.code).toBe(1);
    expect(finish(0x3333, 2)[0]?.code).toBe(1);
  });

  it('does nothing with other values, offsets and widths', () => {
    expect(finish(0)).toEqual([]);
    expect(finish(0x5556)).toEqual([]);
    expect(finish(0x5555, 4, 4)).toEqual([]);
    expect(finish(0x55, 1)).toEqual([]);
    expect(finish(0x5555, 8)).toEqual([]);
  });
});

describe('the UART', () => {
  const BASE = 0x10000000;

  function uart() {
    const out: number[] = [];
    const bus = busWith(new Uart(BASE, (bytes) => out.push(...bytes)));
    return {
      out,
      get: (register: number) => Number(bus.read(BASE + register)),
      put: (r: number, v: number) => bus.write(BASE + r, v),
      bus,
    };
  }

  it('prints what is transmitted and is always ready for more', () => {
    const { out, get, put } = uart();
    for (const c of 'hi\n') {
      expect(get(5) & 0x20).toBe(0x20);
      put(0, c.charCodeAt(0));
    }
    expect(out).toEqual([104, 105, 10]);
  });

  it('takes the low byte of any width', () => {
    const { out, bus } = uart();
    bus.write(BASE, 0x41424344, 4);
    bus.write(BASE, 0x4142434445464748n, 8);
    expect(out).toEqual([0x44, 0x48]);
    expect(bus.read(BASE, 8)).toBe(0n);
  });

  it('has no input', () => {
    const { get } = uart();
    expect(get(5) & 1).toBe(0);
    expect(get(0)).toBe(0);
  });

  it('keeps the divisor apart from the data behind DLAB', () => {
    const { out, get, put } = uart();
    put(3, 0x83);
    put(0, 0x34);
    put(1, 0x12);
    expect([get(0), get(1)]).toEqual([0x34, 0x12]);
    put(3, 0x03);
    expect([get(0), get(1), get(3)]).toEqual([0, 0, 3]);
    expect(out).toEqual([]);
  });

  it('keeps the scratch register, which drivers probe', () => {
    const { get, put } = uart();
    put(7, 0x5a);
    expect(get(7)).toBe(0x5a);
  });

  it('shows a FIFO only when it is enabled', () => {
    const { get, put } = uart();
    expect(get(2)).toBe(0x01);
    put(2, 1);
    expect(get(2)).toBe(0xc1);
  });

  it('identifies a transmitter interrupt until it is read', () => {
    const { get, put } = uart();
    put(1, 2);
    expect([get(2), get(2)]).toEqual([2, 1]);
    put(0, 65);
    expect([get(2), get(2)]).toEqual([2, 1]);
  });

  it('receives its own bytes in loopback, and prints none', () => {
    const { out, get, put } = uart();
    put(4, 0x10);
    put(0, 65);
    put(0, 66);
    expect(get(5)).toBe(0x63);
    expect(get(0)).toBe(65);
    expect(get(5)).toBe(0x60);
    put(2, 1);
    for (let i = 0; i < 20; i++) put(0, i);
    const received: number[] = [];
    while ((get(5) & 1) !== 0) received.push(get(0));
    expect(received).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(out).toEqual([]);
  });

  it('loops the modem outputs back to the inputs', () => {
    const { get, put } = uart();
    expect(get(6)).toBe(0xb0);
    put(4, 0x1a);
    expect(get(6) & 0xf0).toBe(0x90);
  });

  it('decodes eight bytes only', () => {
    expect(uart().bus.read(BASE + 8)).toBeNull();
  });
});

describe('the CLINT', () => {
  const BASE = 0x2000000;
  const CMP = BASE + 0x4000;
  const TIME = BASE + 0xbff8;

  function clint(harts = 2) {
    const clock = { ns: 0 };
    const lines = new Map<string, boolean>();
    const device = new Clint(BASE, harts, {
      now: () => clock.ns,
      setPending: (hart, bit, level) => lines.set(`${hart}:${bit}`, level),
    });
    return { clock, lines, device, ...busWith(device) };
  }

  it('counts time at 10 MHz', () => {
    const { clock, read, device } = clint();
    clock.ns = 12_345;
    expect(read(TIME, 8)).toBe(123n);
    expect(device.timeAt(12_345)).toBe(123);
    clock.ns = 2 ** 32 * 100 + 700;
    expect([read(TIME, 4), read(TIME + 4, 4)]).toEqual([7n, 1n]);
  });

  it('raises and lowers software interrupts of each hart', () => {
    const { lines, write, read } = clint();
    write(BASE + 4, 0xffffffff, 4);
    expect(lines.get('1:3')).toBe(true);
    expect([read(BASE, 4), read(BASE + 4, 4)]).toEqual([0n, 1n]);
    write(BASE + 4, 0xfffffffe, 4);
    expect(lines.get('1:3')).toBe(false);
    write(BASE + 8, 1, 4);
    expect(lines.has('2:3')).toBe(false);
  });

  it('raises the timer line exactly when mtime reaches mtimecmp', () => {
    const { clock, lines, write, device } = clint();
    write(CMP + 8, 5, 8);
    expect(lines.get('1:7')).toBe(false);
    expect(device.deadline(1)).toBe(500);
    clock.ns = 499;
    device.update(1);
    expect(lines.get('1:7')).toBe(false);
    clock.ns = 500;
    device.update(1);
    expect(lines.get('1:7')).toBe(true);
    expect(device.deadline(1)).toBe(Infinity);
    write(CMP + 8, -1, 8);
    expect(lines.get('1:7')).toBe(false);
  });

  it('compares unsigned and in 64 bits, written in halves', () => {
    const { clock, lines, read, write, device } = clint();
    write(CMP, 10, 4);
    expect(read(CMP, 8)).toBe(0xffffffff_0000000an);
    expect(lines.get('0:7')).toBe(false);
    write(CMP + 4, 1, 4);
    expect(read(CMP, 8)).toBe(0x1_0000000an);
    expect(device.deadline(0)).toBe((2 ** 32 + 10) * 100);
    write(CMP + 4, 0, 4);
    expect(device.deadline(0)).toBe(1000);
    clock.ns = 1000;
    device.update(0);
    expect(lines.get('0:7')).toBe(true);
  });

  it('never rings for what lies beyond the end of time', () => {
    const { write, device } = clint();
    expect(device.deadline(0)).toBe(Infinity);
    write(CMP, 2 ** 50, 8);
    expect(device.deadline(0)).toBe(Infinity);
  });

  it('lets mtime be set, and moves the deadlines with it', () => {
    const { clock, lines, read, write, device } = clint();
    clock.ns = 10_000;
    write(CMP, 2000, 8);
    write(TIME, 1000, 8);
    expect(read(TIME, 8)).toBe(1000n);
    clock.ns = 10_250;
    expect([read(TIME, 8), device.timeAt(10_250)]).toEqual([1002n, 1002]);
    expect(device.deadline(0)).toBe(10_200 + 998 * 100);
    write(TIME, 2000, 8);
    expect(lines.get('0:7')).toBe(true);
    write(TIME, 0, 8);
    expect(lines.get('0:7')).toBe(false);
  });

  it('takes words everywhere and doublewords where there are 64 bits', () => {
    const { read, write } = clint();
    expect(read(BASE, 8)).toBeNull();
    expect(read(BASE, 2)).toBeNull();
    expect(read(TIME, 2)).toBeNull();
    expect(write(CMP, 1, 1)).toBe(false);
    expect(read(CMP + 8 * 100, 8)).toBe(0n);
    expect(read(BASE + 0x8000 - 8, 8)).toBe(0n);
    expect(write(BASE + 0x8000, 5, 8)).toBe(true);
  });
});
