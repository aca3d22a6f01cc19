// The host's physical memory: its layout, its accesses, and who is told of a write to code.

import { describe, expect, it } from 'vitest';
import { Fact, PhysicalMemory, POISON_BYTE } from '../../../src/hw/memory/index.ts';
import { type Hpa, PAGE_SIZE, type Pfn, UmbraBug } from '../../../src/units.ts';

const make = (frames = 8, deviceBytes = 8192): PhysicalMemory => new PhysicalMemory({ frames, deviceBytes });
const at = (pfn: number, offset = 0): Hpa => (pfn * PAGE_SIZE + offset) as Hpa;

describe('PhysicalMemory', () => {
  it('lays the device area out before the frames and leaves page 0 unused', () => {
    const memory = make(8, 8192);
    expect(memory.firstPfn).toBe(3);
    expect(memory.endPfn).toBe(11);
    expect(memory.reserve(64, 64)).toBe(4096);
    expect(memory.reserve(10, 4096)).toBe(8192);
    expect(() => memory.reserve(4096, 4096)).toThrow(UmbraBug);
  });

  it('stays small for small geometries and refuses more than 4 GiB', () => {
    expect(make(32, 65536).wasm.buffer.byteLength).toBeLessThanOrEqual(256 * 1024);
    expect(() => make(2 ** 20, 0)).toThrow(RangeError);
    expect(() => make(0, 0)).toThrow(RangeError);
  });

  it('reads back what it wrote, little-endian and at any alignment within a frame', () => {
    const memory = make();
    const base = at(memory.firstPfn, 5);
    memory.write64(base, 0x44332211, 0x88776655 | 0);
    expect([...memory.readBytes(base, 8)]).toEqual([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
    expect(memory.read32((base + 4) as Hpa)).toBe(0x88776655 | 0);
    memory.write16(base, 0xbeef);
    memory.write8((base + 2) as Hpa, 0x1ff);
    expect(memory.read32(base)).toBe(0x44ffbeef);
    expect(memory.read16(base)).toBe(0xbeef);
    expect(memory.read8((base + 2) as Hpa)).toBe(0xff);
  });

  it('fills, poisons and copies whole frames and nothing beside them', () => {
    const memory = make();
    const a = memory.firstPfn;
    const b = (a + 1) as Pfn;
    memory.poison(b);
    memory.write8(at(a, 7), 1);
    memory.copyFrame(b, a);
    expect(memory.readBytes(at(b), PAGE_SIZE)).toEqual(memory.readBytes(at(a), PAGE_SIZE));
    memory.poison(a);
    expect(memory.readBytes(at(a), PAGE_SIZE).every((byte) => byte === POISON_BYTE)).toBe(true);
    expect(memory.read8(at(b, 7))).toBe(1);
    memory.zero(a);
    expect(memory.readBytes(at(a), PAGE_SIZE).every((byte) => byte === 0)).toBe(true);
  });

  it('refuses a write outside the frames or across the end of one', () => {
    const memory = make();
    expect(() => memory.write32(at(memory.firstPfn, PAGE_SIZE - 2), 0)).toThrow(UmbraBug);
    expect(() => memory.write8(at(memory.firstPfn - 1), 0)).toThrow(UmbraBug);
    expect(() => memory.write8(at(memory.endPfn), 0)).toThrow(UmbraBug);
    expect(() => memory.writeBytes(at(memory.firstPfn, 1), new Uint8Array(PAGE_SIZE))).toThrow(UmbraBug);
  });

  it('tells the code cache of exactly the bytes that changed, in frames with code only', () => {
    const memory = make();
    const code = memory.firstPfn;
    const data = (code + 1) as Pfn;
    const calls: number[][] = [];
    memory.onCodeWrite = (pfn, offset, length) => calls.push([pfn, offset, length]);
    memory.note(Fact.hasCode, code, true);
    memory.write64(at(data, 8), 1, 1);
    memory.write8(at(code, 1), 1);
    memory.write16(at(code, 2), 1);
    memory.write32(at(code, 4), 1);
    memory.write64(at(code, 8), 1, 1);
    memory.writeBytes(at(code, 100), new Uint8Array(5));
    memory.copyFrame(code, data);
    expect(calls).toEqual([
      [code, 1, 1],
      [code, 2, 2],
      [code, 4, 4],
      [code, 8, 8],
      [code, 100, 5],
      [code, 0, PAGE_SIZE],
    ]);
    expect(memory.codeGeneration[code]).toBe(6);
    expect(memory.codeGeneration[data]).toBe(0);
  });

  it('forgets the code of a released frame, telling once', () => {
    const memory = make();
    const code = memory.firstPfn;
    const calls: number[][] = [];
    memory.onCodeWrite = (pfn, offset, length) => calls.push([pfn, offset, length]);
    memory.note(Fact.hasCode, code, true);
    memory.releaseCode(code);
    memory.releaseCode(code);
    expect(calls).toEqual([[code, 0, PAGE_SIZE]]);
    expect(memory.is(Fact.hasCode, code)).toBe(false);
    expect(memory.codeGeneration[code]).toBe(1);
  });

  it('reaches frames beyond 2 GiB', () => {
    const frames = 2 ** 19 + 16;
    const memory = make(frames, 0);
    const last = (memory.endPfn - 1) as Pfn;
    memory.write64(at(last, 4088), 0x1234, -2);
    expect(memory.read32(at(last, 4088))).toBe(0x1234);
    expect(memory.i32[at(last, 4092) >>> 2]).toBe(-2);
  });
});
