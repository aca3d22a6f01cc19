// HTIF against a little guest memory, some of which must be waited for.

import { describe, expect, it } from 'vitest';
import { BLOCKED, runPolicy, Scheduler, type Steps } from '../../src/sched/index.ts';
import { Errno } from '../../src/units.ts';
import { type GuestMemory, Htif } from '../../src/vmm/htif.ts';
import type { StopRecord } from '../../src/vmm/stop.ts';

const TOHOST = 0x100;
const FROMHOST = 0x140;
const BYTES = 0x20000;
const SLEEP_NS = 20_000;

function machine(options: { sleepy?: boolean; fromhost?: number | null } = {}) {
  const sched = new Scheduler(runPolicy());
  const bytes = new Uint8Array(BYTES);
  const view = new DataView(bytes.buffer);
  const printed: number[] = [];
  const stops: StopRecord[] = [];
  const broken = new Map<number, number>();
  let accesses = 0;

  function* access(address: number, length: number): Steps<number> {
    accesses++;
    if (options.sleepy === true) {
      const task = sched.current;
      sched.after(SLEEP_NS, () => sched.wake(task));
      sched.block('disk');
      yield BLOCKED;
    }
    if (!(address >= 0 && address + length <= BYTES)) return -Errno.EFAULT;
    return broken.get(Math.floor(address / 4096)) ?? 0;
  }
  const memory: GuestMemory = {
    *read(address, into) {
      const error = yield* access(address, into.length);
      if (error === 0) into.set(bytes.subarray(address, address + into.length));
      return error;
    },
    *write(address, from) {
      const error = yield* access(address, from.length);
      if (error === 0) bytes.set(from, address);
      return error;
    },
  };
  const htif = new Htif({
    sched,
    memory,
    tohost: TOHOST,
    fromhost: options.fromhost === undefined ? FROMHOST : options.fromhost,
    console: (text) => printed.push(...text),
    stop: (record) => stops.push(record),
  });
  const results: number[] = [];
  function* looker(): Steps {
    results.push(yield* htif.look());
  }
  return {
    sched,
    htif,
    view,
    broken,
    printed: () => new TextDecoder().decode(Uint8Array.from(printed)),
    stops,
    results,
    accesses: () => accesses,
    look: (times = 1) => {
      for (let i = 0; i < times; i++) sched.spawn(`looker ${i}`, looker());
      sched.run(() => sched.tasks.length === 0);
      return results.at(-1)!;
    },
    tohost: (value: bigint) => view.setBigUint64(TOHOST, value, true),
    block: (at: number, ...words: (number | bigint)[]) =>
      words.forEach((word, i) => {
        view.setBigUint64(at + i * 8, BigInt.asUintN(64, BigInt(word)), true);
      }),
    word: (at: number) => view.getBigInt64(at, true),
  };
}

const PUTCHAR = (1n << 56n) | (1n << 48n);

describe('commands', () => {
  it('an odd word of device 0 ends the guest with its upper bits', () => {
    for (const [word, code] of [
      [1n, 0],
      [3n, 1],
      [1337n, 668],
      [(1n << 40n) | 1n, 2 ** 39],
    ] as const) {
      const m = machine();
      m.tohost(word);
      expect(m.look()).toBe(0);
      expect(m.stops).toEqual([{ via: 'htif', code, crash: null, reason: null }]);
    }
  });

  it('the console prints a character and takes the command back', () => {
    const m = machine();
    m.tohost(PUTCHAR | 0x41n);
    m.look();
    expect(m.printed()).toBe('A');
    expect(m.word(TOHOST)).toBe(0n);
    expect(m.word(FROMHOST)).toBe(0n);
  });

  it('the console has no input, and other devices are not there', () => {
    const m = machine();
    for (const word of [1n << 56n, (5n << 56n) | 1n, (2n << 48n) | 1n, 2n ** 64n - 1n]) {
      m.tohost(word);
      expect(m.look()).toBe(0);
      expect(m.word(TOHOST)).toBe(0n);
    }
    expect([m.printed(), m.stops]).toEqual(['', []]);
  });

  it('an empty tohost is nothing', () => {
    const m = machine();
    expect(m.look()).toBe(0);
    expect(m.accesses()).toBe(1);
  });
});

describe('system calls', () => {
  it('write prints across pages and answers the count', () => {
    const m = machine();
    const text = 'x'.repeat(5000);
    m.block(0x200, 64, 1, 0x1f00, text.length);
    new Uint8Array(m.view.buffer).set(new TextEncoder().encode(text), 0x1f00);
    m.tohost(0x200n);
    expect(m.look()).toBe(0);
    expect(m.printed()).toBe(text);
    expect(m.word(0x200)).toBe(5000n);
    expect(m.word(FROMHOST)).toBe(1n);
    expect(m.word(TOHOST)).toBe(0n);
  });

  it('exit ends the guest with its code, also a negative one', () => {
    const m = machine();
    m.block(0x200, 93, -7);
    m.tohost(0x200n);
    m.look();
    expect(m.stops[0]).toMatchObject({ via: 'htif', code: -7 });
  });

  it('answers errors as Linux does', () => {
    const m = machine();
    const call = (...words: (number | bigint)[]): bigint => {
      m.block(0x200, ...words);
      m.tohost(0x200n);
      m.look();
      return m.word(0x200);
    };
    expect(call(63, 0, 0x1000, 10)).toBe(-38n);
    expect(call(-1)).toBe(-38n);
    expect(call(64, 5, 0x1000, 10)).toBe(-9n);
    expect(call(64, 1, BYTES, 10)).toBe(-14n);
    expect(call(64, 1, -8, 100)).toBe(-14n);
    expect(call(64, 1, 0x1000, 0)).toBe(0n);
    expect(m.printed()).toBe('');
  });

  it('a write that is too long or runs out of memory is short', () => {
    const m = machine();
    m.block(0x200, 64, 1, BYTES - 4096 - 10, -1);
    m.tohost(0x200n);
    m.look();
    expect(m.word(0x200)).toBe(4096n);
  });

  it('a block outside RAM ends the guest', () => {
    const m = machine();
    m.tohost(0x7ffff000n);
    m.look();
    expect(m.stops[0]?.crash).toBe('HTIF: the system call block at 0x7ffff000 lies outside RAM');
  });

  it('works without fromhost', () => {
    const m = machine({ fromhost: null });
    m.block(0x200, 64, 1, 0x300, 1);
    m.tohost(0x200n);
    expect(m.look()).toBe(0);
    expect(m.word(FROMHOST)).toBe(0n);
  });
});

describe('guest memory that cannot be had', () => {
  it.each([[0], [1], [2]])('is an error of the look, whatever was to be read (page %i)', (page) => {
    const m = machine();
    m.block(0x1000, 64, 1, 0x2000, 1);
    m.tohost(0x1000n);
    m.broken.set(page, -Errno.EIO);
    expect(m.look()).toBe(-Errno.EIO);
    m.broken.clear();
    m.tohost(PUTCHAR | 0x42n);
    expect(m.look()).toBe(0);
    expect(m.printed()).toBe('B');
  });
});

describe('when to look', () => {
  it('a whole store is due at once, a partial one a microsecond later', () => {
    const m = machine();
    m.sched.now = 5000;
    m.htif.stored(TOHOST + 8, 8);
    m.htif.stored(TOHOST - 4, 4);
    expect(m.htif.dueAt).toBe(Infinity);
    m.htif.stored(TOHOST, 4);
    expect(m.htif.dueAt).toBe(6000);
    m.sched.now = 5500;
    m.htif.stored(TOHOST + 4, 4);
    expect(m.htif.dueAt).toBe(6000);
    m.htif.stored(TOHOST, 8);
    expect(m.htif.dueAt).toBe(5500);
    m.look();
    expect(m.htif.dueAt).toBe(Infinity);
  });

  it('two harts that look at once print one character once', () => {
    const m = machine({ sleepy: true });
    m.tohost(PUTCHAR | 0x43n);
    m.look(2);
    expect(m.results).toEqual([0, 0]);
    expect(m.printed()).toBe('C');
  });
});
