// A builder of small ELF files for tests, every field of which can be spoiled.

export interface SegmentSpec {
  readonly address: number;
  readonly virtualAddress?: number | bigint;
  readonly bytes: Uint8Array;
  readonly memoryBytes?: number | bigint;
  readonly type?: number;
  readonly offset?: number | bigint;
  readonly fileBytes?: number | bigint;
}

export interface SymbolSpec {
  readonly name: string;
  readonly value: number;
  readonly bytes?: number;
  readonly info?: number;
}

export interface ElfSpec {
  readonly entry?: number | bigint;
  readonly segments: readonly SegmentSpec[];
  readonly symbols?: readonly SymbolSpec[];
}

const PROGRAM_HEADERS = 64;

function strings(names: readonly string[]): { bytes: Uint8Array; offsets: number[] } {
  const offsets: number[] = [];
  let text = '\0';
  for (const name of names) {
    offsets.push(text.length);
    text += `${name}\0`;
  }
  return { bytes: new TextEncoder().encode(text), offsets };
}

function symbolTable(symbols: readonly SymbolSpec[], offsets: readonly number[]): Uint8Array {
  const bytes = new Uint8Array((symbols.length + 1) * 24);
  const view = new DataView(bytes.buffer);
  symbols.forEach((symbol, i) => {
    const at = (i + 1) * 24;
    view.setUint32(at, offsets[i]!, true);
    view.setUint8(at + 4, symbol.info ?? 0x10);
    view.setUint16(at + 6, 1, true);
    view.setBigUint64(at + 8, BigInt.asUintN(64, BigInt(symbol.value)), true);
    view.setBigUint64(at + 16, BigInt(symbol.bytes ?? 8), true);
  });
  return bytes;
}

/** Section headers stand at the end: null, symtab, strtab. */
export function buildElf({ entry = 0x80000000, segments, symbols = [] }: ElfSpec): Uint8Array {
  const names = strings(symbols.map((s) => s.name));
  const symtab = symbolTable(symbols, names.offsets);
  let end = PROGRAM_HEADERS + segments.length * 56;
  const offsets = segments.map((s) => {
    const at = end;
    end += s.bytes.length;
    return at;
  });
  const symtabAt = end;
  const strtabAt = symtabAt + symtab.length;
  const sectionsAt = strtabAt + names.bytes.length;
  const bytes = new Uint8Array(sectionsAt + 3 * 64);
  const view = new DataView(bytes.buffer);
  const u64 = (at: number, value: number | bigint): void =>
    view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);

  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 243, true);
  view.setUint32(20, 1, true);
  u64(24, entry);
  u64(32, PROGRAM_HEADERS);
  u64(40, sectionsAt);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, 3, true);
  segments.forEach((segment, i) => {
    const at = PROGRAM_HEADERS + i * 56;
    view.setUint32(at, segment.type ?? 1, true);
    u64(at + 8, segment.offset ?? offsets[i]!);
    u64(at + 16, segment.virtualAddress ?? segment.address);
    u64(at + 24, segment.address);
    u64(at + 32, segment.fileBytes ?? segment.bytes.length);
    u64(at + 40, segment.memoryBytes ?? segment.bytes.length);
    bytes.set(segment.bytes, offsets[i]!);
  });
  bytes.set(symtab, symtabAt);
  bytes.set(names.bytes, strtabAt);
  view.setUint32(sectionsAt + 64 + 4, 2, true);
  u64(sectionsAt + 64 + 24, symtabAt);
  u64(sectionsAt + 64 + 32, symtab.length);
  view.setUint32(sectionsAt + 64 + 40, 2, true);
  view.setUint32(sectionsAt + 128 + 4, 3, true);
  u64(sectionsAt + 128 + 24, strtabAt);
  u64(sectionsAt + 128 + 32, names.bytes.length);
  return bytes;
}
