// Reads the ELF files that the assembler writes, for tests: an obvious reader that trusts nothing it does not check.

import { expect } from 'vitest';
import { type AssembleOptions, assemble } from '../../src/asm/index.ts';

export interface Segment {
  readonly flags: string;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly bytes: Uint8Array;
}

export interface Entry {
  readonly name: string;
  readonly value: bigint;
  readonly size: number;
  readonly type: number;
  readonly binding: number;
  readonly section: number;
}

export interface Elf {
  readonly entry: number;
  readonly segments: readonly Segment[];
  readonly sections: readonly { readonly name: string; readonly address: number; readonly size: number }[];
  readonly symbols: ReadonlyMap<string, Entry>;
}

const SHT_SYMTAB = 2;

export function readElf(file: Uint8Array): Elf {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const u16 = (at: number): number => view.getUint16(at, true);
  const u32 = (at: number): number => view.getUint32(at, true);
  const u64 = (at: number): number => Number(view.getBigUint64(at, true));
  const nameAt = (at: number): string => {
    const end = file.indexOf(0, at);
    return new TextDecoder().decode(file.subarray(at, end));
  };
  expect([...file.subarray(0, 8)]).toEqual([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
  expect([u16(16), u16(18), u32(20)]).toEqual([2, 243, 1]);
  expect([u16(52), u16(54), u16(58)]).toEqual([64, 56, 64]);
  const segments = Array.from({ length: u16(56) }, (_, i): Segment => {
    const at = u64(32) + 56 * i;
    expect(u32(at)).toBe(1);
    const flags = ['R', 'W', 'X'].filter((_, bit) => (u32(at + 4) & (4 >> bit)) !== 0).join('');
    const [offset, address, fileSize, memorySize] = [u64(at + 8), u64(at + 16), u64(at + 32), u64(at + 40)];
    expect(u64(at + 24)).toBe(address);
    expect(offset % 4096).toBe(address % 4096);
    return { flags, offset, address, fileSize, memorySize, bytes: file.subarray(offset, offset + fileSize) };
  });
  const headers = Array.from({ length: u16(60) }, (_, i) => u64(40) + 64 * i);
  const names = u64(headers[u16(62)]! + 24);
  const sections = headers.map((at) => ({
    name: nameAt(names + u32(at)),
    address: u64(at + 16),
    size: u64(at + 32),
  }));
  const symbols = new Map<string, Entry>();
  const table = headers.find((at) => u32(at + 4) === SHT_SYMTAB)!;
  const strings = u64(headers[u32(table + 40)]! + 24);
  const firstGlobal = u32(table + 44);
  for (let i = 1; i < u64(table + 32) / 24; i++) {
    const at = u64(table + 24) + 24 * i;
    const name = nameAt(strings + u32(at));
    const binding = file[at + 4]! >> 4;
    expect(binding === 0).toBe(i < firstGlobal);
    symbols.set(name, {
      name,
      value: view.getBigUint64(at + 8, true),
      size: u64(at + 16),
      type: file[at + 4]! & 15,
      binding,
      section: u16(at + 6),
    });
  }
  return { entry: u64(24), segments, sections, symbols };
}

const build = (source: string, options: Partial<AssembleOptions> = {}): Elf =>
  readElf(assemble(source, { file: 'test.s', ...options }).elf);

/** The 32-bit words of the code of a source. */
export function words(source: string, base?: number): number[] {
  const { segments } = build(source, base === undefined ? {} : { base });
  const { bytes } = segments.find((segment) => segment.flags === 'RX')!;
  expect(bytes.length % 4).toBe(0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}

/** The bytes that data directives make. */
export function dataBytes(source: string): number[] {
  const { segments } = build(`.data\n${source}`);
  return [...(segments.find((segment) => segment.flags === 'RW' && segment.fileSize > 0)?.bytes ?? [])];
}

export { build };
