// The device tree blob, read back by an independent little parser.

import { describe, expect, it } from 'vitest';
import { boardDeviceTree } from '../../src/vmm/deviceTree.ts';
import { cells64, writeFdt } from '../../src/vmm/fdt.ts';

type Tree = { [name: string]: Tree | Uint8Array };

function parse(blob: Uint8Array): Tree {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const word = (at: number): number => view.getUint32(at);
  expect(word(0)).toBe(0xd00dfeed);
  expect(word(4)).toBe(blob.length);
  const strings = word(12);
  const text = (at: number): string => {
    const end = blob.indexOf(0, at);
    return new TextDecoder().decode(blob.subarray(at, end));
  };
  let at = word(8);
  const stack: Tree[] = [{}];
  for (;;) {
    const token = word(at);
    at += 4;
    if (token === 9) break;
    if (token === 2) stack.pop();
    else if (token === 1) {
      const name = text(at);
      at = (at + name.length + 4) & ~3;
      const node: Tree = {};
      stack.at(-1)![name] = node;
      stack.push(node);
    } else {
      expect(token).toBe(3);
      const length = word(at);
      stack.at(-1)![text(strings + word(at + 4))] = blob.subarray(at + 8, at + 8 + length);
      at = (at + 8 + length + 3) & ~3;
    }
  }
  expect(stack).toHaveLength(1);
  expect(at - word(8)).toBe(word(36));
  return stack[0]!['']! as Tree;
}

const node = (tree: Tree, ...path: string[]): Tree => path.reduce((t, name) => t[name] as Tree, tree);
const text = (tree: Tree, name: string): string[] =>
  new TextDecoder()
    .decode(tree[name] as Uint8Array)
    .split('\0')
    .slice(0, -1);
const cells = (tree: Tree, name: string): number[] => {
  const bytes = tree[name] as Uint8Array;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4));
};

describe('the flattened tree', () => {
  it('holds properties of every kind', () => {
    const tree = parse(
      writeFdt({
        name: '',
        properties: { flag: true, cell: 0xfedcba98, list: [1, 2], text: 'abc', texts: ['a', 'bcd'] },
        children: [
          { name: 'a@1', properties: {}, children: [] },
          { name: 'b', properties: { text: 'again' }, children: [] },
        ],
      }),
    );
    expect((tree.flag as Uint8Array).length).toBe(0);
    expect(cells(tree, 'cell')).toEqual([0xfedcba98]);
    expect(cells(tree, 'list')).toEqual([1, 2]);
    expect(text(tree, 'text')).toEqual(['abc']);
    expect(text(tree, 'texts')).toEqual(['a', 'bcd']);
    expect(node(tree, 'a@1')).toEqual({});
    expect(text(node(tree, 'b'), 'text')).toEqual(['again']);
  });

  it('splits a 64-bit number into two cells, the high one first', () => {
    expect(cells64(0x1_2345_6789_0)).toEqual([0x12, 0x34567890]);
    expect(cells64(0x80000000)).toEqual([0, 0x80000000]);
  });
});

describe('the device tree of the board', () => {
  const tree = parse(boardDeviceTree({ ramBytes: 6 * 2 ** 30, harts: 3, isa: 'rv64imac' }));

  it('tells where the memory is and how large', () => {
    expect(cells(node(tree, 'memory@80000000'), 'reg')).toEqual([0, 0x80000000, 1, 0x80000000]);
  });

  it('has a node with its number for every hart', () => {
    const harts = [0, 1, 2].map((h) => node(tree, 'cpus', `cpu@${h}`));
    expect(harts.map((h) => cells(h, 'reg')[0])).toEqual([0, 1, 2]);
    expect(text(harts[2]!, 'riscv,isa')).toEqual(['rv64imac']);
    expect(node(tree, 'cpus')['cpu@3']).toBeUndefined();
  });

  it('wires software and timer interrupts of the CLINT to every hart', () => {
    const controllers = [0, 1, 2].map(
      (h) => cells(node(tree, 'cpus', `cpu@${h}`, 'interrupt-controller'), 'phandle')[0]!,
    );
    expect(new Set(controllers).size).toBe(3);
    expect(cells(node(tree, 'soc', 'clint@2000000'), 'interrupts-extended')).toEqual(
      controllers.flatMap((c) => [c, 3, c, 7]),
    );
  });

  it('names a console that exists', () => {
    const [path] = text(node(tree, 'chosen'), 'stdout-path');
    expect(text(node(tree, ...path!.split('/').slice(1)), 'compatible')).toEqual(['ns16550a']);
  });

  it('points power-off and reboot at the finisher', () => {
    const finisher = cells(node(tree, 'soc', 'test@100000'), 'phandle');
    expect(cells(node(tree, 'poweroff'), 'regmap')).toEqual(finisher);
    expect(cells(node(tree, 'poweroff'), 'value')).toEqual([0x5555]);
    expect(cells(node(tree, 'reboot'), 'value')).toEqual([0x7777]);
  });
});
