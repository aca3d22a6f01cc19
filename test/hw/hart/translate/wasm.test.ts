// The WebAssembly encoder, judged by the engine: what it writes must compile and mean what it says.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeModule } from '../../../../src/hw/hart/translate/module.ts';
import { Code, Type, W } from '../../../../src/hw/hart/translate/wasm.ts';

/** Not among the types that there are. */
const { customSections } = WebAssembly.Module as unknown as {
  customSections(module: WebAssembly.Module, name: string): ArrayBuffer[];
};

/** Instantiates a module of functions without parameters. */
function exportsOf(result: number, bodies: readonly Code[]): Record<string, () => unknown> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const bytes = encodeModule({
    types: [{ params: [], results: [result] }],
    memoryPages: 1,
    functions: bodies.map((body, i) => ({ type: 0, locals: [[3, Type.i64]], body, export: `f${i}` })),
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { m: memory } });
  return instance.exports as Record<string, () => unknown>;
}

test('i64 constants are the integers that were asked for', () => {
  fc.assert(
    fc.property(fc.array(fc.maxSafeInteger(), { minLength: 1 }), (values) => {
      const bodies = values.map((value) => {
        const body = new Code(1);
        body.i64Const(value);
        return body;
      });
      const found = Object.values(exportsOf(Type.i64, bodies)).map((f) => f());
      expect(found).toEqual(values.map(BigInt));
    }),
  );
});

test('i32 constants are the integers that were asked for', () => {
  for (const value of [0, 63, 64, -64, -65, 127, 128, 8191, 8192, 2 ** 31 - 1, -(2 ** 31)]) {
    const body = new Code();
    body.i32Const(value);
    expect(exportsOf(Type.i32, [body]).f0!()).toBe(value);
  }
});

test('branch hints name the conditional instructions of the functions that have some', () => {
  const plain = new Code();
  plain.i64Const(1);
  const hinted = new Code();
  for (const likely of [false, true]) {
    hinted.i32Const(0);
    hinted.expect(likely);
    hinted.open(W.if);
    hinted.byte(W.end);
  }
  hinted.i64Const(2);
  const bytes = encodeModule({
    types: [{ params: [], results: [Type.i64] }],
    memoryPages: 1,
    functions: [plain, hinted].map((body) => ({ type: 0, locals: [[1, Type.i64]], body })),
  });
  const [section] = customSections(new WebAssembly.Module(bytes), 'metadata.code.branch_hint');
  const locals = 3;
  const hints = [locals + 2, 1, 0, locals + 7, 1, 1];
  expect([...new Uint8Array(section!)]).toEqual([1, 1, 2, ...hints]);
});

test('structured control flow and locals work together', () => {
  const body = new Code(4);
  const [i, sum] = [0, 1];
  body.open(W.loop);
  body.get(sum);
  body.i64Const(7);
  body.byte(W.i64_add);
  body.set(sum);
  body.get(i);
  body.i64Const(1);
  body.byte(W.i64_add);
  body.tee(i);
  body.i64Const(100);
  body.byte(W.i64_lt_u);
  body.branch(W.br_if, 0);
  body.byte(W.end);
  body.get(sum);
  expect(exportsOf(Type.i64, [body]).f0!()).toBe(700n);
});

test('a body longer than any buffer at its start is encoded whole', () => {
  const body = new Code(1);
  body.i32Const(0);
  for (let n = 0; n < 100_000; n++) {
    body.i32Const(300);
    body.byte(W.i32_add);
  }
  expect(exportsOf(Type.i32, [body]).f0!()).toBe(30_000_000);
});
