// The flattened device tree writer: a tree of nodes in, the blob that a kernel reads out. Knows nothing of this board
// (deviceTree.ts does).
//
// Format: Devicetree Specification v0.4, chapter 5: header, memory reservation block (empty), structure block, strings
// block; version 17, all words big-endian.

/** true: an empty property; numbers: 32-bit cells; strings: each ended by a zero byte. */
export type FdtValue = true | number | string | readonly number[] | readonly string[];

export interface FdtNode {
  readonly name: string;
  readonly properties: Readonly<Record<string, FdtValue>>;
  readonly children: readonly FdtNode[];
}

const MAGIC = 0xd00dfeed;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;
const HEADER_BYTES = 40;
const RESERVATION_BYTES = 16;
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROP = 3;
const END = 9;

/** A 64-bit number as two cells, as #address-cells = 2 wants it. */
export const cells64 = (value: number): readonly [number, number] => [
  Math.floor(value / 2 ** 32),
  value >>> 0,
];

/** The blob of the tree under `root`, whose name must be empty. */
export function writeFdt(root: FdtNode): Uint8Array {
  const strings = new Strings();
  const structure: number[] = [];
  pushNode(structure, strings, root);
  pushWord(structure, END);
  return assemble(structure, strings.bytes);
}

class Strings {
  readonly bytes: number[] = [];
  readonly #offsets = new Map<string, number>();

  /** Where `text` stands in the strings block. */
  offsetOf(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const offset = this.bytes.length;
    this.bytes.push(...zeroEnded(text));
    this.#offsets.set(text, offset);
    return offset;
  }
}

function assemble(structure: readonly number[], strings: readonly number[]): Uint8Array {
  const structureOffset = HEADER_BYTES + RESERVATION_BYTES;
  const stringsOffset = structureOffset + structure.length;
  const total = stringsOffset + strings.length;
  const blob = new Uint8Array(total);
  const header = [MAGIC, total, structureOffset, stringsOffset, HEADER_BYTES, VERSION];
  header.push(LAST_COMPATIBLE_VERSION, 0, strings.length, structure.length);
  const view = new DataView(blob.buffer);
  header.forEach((word, i) => {
    view.setUint32(i * 4, word);
  });
  blob.set(structure, structureOffset);
  blob.set(strings, stringsOffset);
  return blob;
}

function pushNode(out: number[], strings: Strings, node: FdtNode): void {
  pushWord(out, BEGIN_NODE);
  pushPadded(out, zeroEnded(node.name));
  for (const [name, value] of Object.entries(node.properties)) {
    const bytes = encode(value);
    pushWord(out, PROP);
    pushWord(out, bytes.length);
    pushWord(out, strings.offsetOf(name));
    pushPadded(out, bytes);
  }
  for (const child of node.children) pushNode(out, strings, child);
  pushWord(out, END_NODE);
}

function encode(value: FdtValue): number[] {
  if (value === true) return [];
  const items = typeof value === 'object' ? value : [value];
  return items.flatMap((item) => (typeof item === 'string' ? zeroEnded(item) : bigEndian(item)));
}

const bigEndian = (word: number): number[] => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255);
const zeroEnded = (text: string): number[] => [...text].map((c) => c.charCodeAt(0)).concat(0);

function pushWord(out: number[], word: number): void {
  out.push(...bigEndian(word));
}

function pushPadded(out: number[], bytes: readonly number[]): void {
  out.push(...bytes);
  while (out.length % 4 !== 0) out.push(0);
}
