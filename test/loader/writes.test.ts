// Rewritten writes: a program does what it did, and everything that it did can be undone.

import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { mark, rewind, unmark } from '../../src/journal/index.ts';
import { instrument } from '../../src/loader/instrument.ts';
import { firstDifference, graphLines } from '../support/graph.ts';

const JOURNAL = pathToFileURL(new URL('../../src/journal/index.ts', import.meta.url).pathname).href;

interface Program {
  readonly state: Record<string, unknown>;
  run(): unknown;
}

/** Each import is a module of its own. */
let loaded = 0;

/** A module whose `state` is what `build` evaluates to, and whose run() executes `body` with it as `s`. */
async function program(build: string, body: string, instrumented: boolean): Promise<Program> {
  const text = `// ${loaded++}\nexport const state = ${build};\nexport function run() { const s = state; ${body} }\n`;
  const made = instrumented ? instrument('test.js', text, false).replaceAll('umbra:journal', JOURNAL) : text;
  return await import(`data:text/javascript,${encodeURIComponent(made)}`);
}

/** State, and what runs on it. */
const PROGRAMS: Readonly<Record<string, readonly [build: string, body: string]>> = {
  properties: ['{ a: 1, b: { c: 2 } }', 's.a = 5; s.b.c += s.a; s.b = { c: 9 }; return s.a++ + ++s.b.c;'],
  'postfix in an expression': [
    '{ i: 3, list: [0, 1, 2, 3] }',
    'return [s.i--, s.list[s.i--], s.list[1]++, s.i];',
  ],
  elements: [
    '{ a: [1, 2], t: new Int32Array(4) }',
    's.a[1] = 7; s.a[4] = 1; s.t[2] |= 5; s.t[3]--; return [...s.t];',
  ],
  'an object evaluated once': [
    '{ n: 0, list: [{ v: 1 }, { v: 2 }] }',
    'const next = () => s.list[s.n++]; next().v += 10; next().v++; return s.n;',
  ],
  'logical assignment': [
    '{ a: null, b: 3 }',
    's.a ??= 4; s.b ||= 9; s.b &&= 8; s.a ??= 100; return s.a + s.b;',
  ],
  'logical assignment to shared variables': [
    '(() => { let [a, b, c] = [null, 3, 1]; return { go: () => [(a ??= 4), (b ||= 9), (b &&= 8), (a ??= 100), c || (c ||= 2), a, b], reads: () => [a, b, c] }; })()',
    'return [s.go(), s.reads()];',
  ],
  'array methods': [
    '{ a: [3, 1, 2] }',
    's.a.push(9, 8); s.a.sort(); s.a.splice(1, 2, 7); s.a.unshift(0); s.a.reverse(); return [s.a.pop(), s.a.shift(), s.a.length];',
  ],
  'maps keep their order': [
    '{ m: new Map([["a", 1], ["b", 2], ["c", 3]]) }',
    's.m.delete("a"); s.m.set("d", 4); s.m.set("b", 5); s.m.set("a", 6); return [...s.m];',
  ],
  'sets keep their order': [
    '{ s: new Set([1, 2, 3]) }',
    's.s.delete(2); s.s.add(4).add(2); s.s.clear(); s.s.add(7); return [...s.s];',
  ],
  'typed arrays': [
    '{ t: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]) }',
    's.t.fill(9, 1, 3); s.t.set([7, 7], 4); s.t.copyWithin(0, 4, 8); return [...s.t];',
  ],
  'whole pages and what is around them': [
    '{ t: new Int32Array(4096).map((_, i) => i), b: new Uint8Array(12288).map((_, i) => i) }',
    `s.t[1030] = -1; s.t.fill(9, 1000, 3100); s.t[1031] = -2; s.t.copyWithin(1024, 0, 2048); s.t.fill(8, 2048); s.t[4095] = 3;
     s.b.set(s.b.slice(4096, 8192), 0); s.b.fill(1, 5, 12000); s.b.fill(2, 4096, 8192);
     return [...s.t, ...s.b].reduce((sum, each, i) => (sum + each * i) % 65521, 0);`,
  ],
  'a DataView': [
    '{ v: new DataView(new ArrayBuffer(16)) }',
    's.v.setUint32(4, 0x01020304, true); s.v.setFloat64(8, 1.5); s.v.setInt16(4, -1); return s.v.getUint32(4, true);',
  ],
  'shared variables': [
    '(() => { let n = 1; const f = { add: (k) => { n += k; n++; return n; }, get: () => n }; return f; })()',
    's.add(3); const before = s.get(); s.add(2); return [before, s.get()];',
  ],
  'private fields': [
    '(() => { class C { #x = 1; #list = []; bump(k) { this.#x += k; this.#list.push(this.#x); return #x in this; } get x() { return [this.#x, ...this.#list]; } } return { c: new C() }; })()',
    'const known = s.c.bump(2); s.c.bump(3); return [known, ...s.c.x];',
  ],
  'methods of other classes by the same names': [
    '(() => { class Log { lines = []; push(x) { this.lines.push(x); return this; } set(a, b) { this.lines[a] = b; } } return { log: new Log() }; })()',
    's.log.push(1).push(2); s.log.set(0, 5); return [...s.log.lines];',
  ],
  'optional calls': [
    '{ a: { list: [1] }, b: null }',
    's.a?.list.push(2); s.b?.list.push(s.a.list.push(3)); return [...s.a.list];',
  ],
  deletion: ['{ a: 1, b: 2 }', 'delete s.a; s.c = 3; return Object.keys(s).sort();'],
  destructuring: [
    '{ a: 1 }',
    'let x, y; [x, y] = [s.a, 2]; ({ x, ...y } = { x: 4, z: 1 }); s.a = x; return [x, y.z];',
  ],
  'destructuring into members': [
    '{ a: 1, b: 2, list: [1, 2, 3] }',
    '[s.a, s.b] = [s.b, s.a]; [s.list[0], s.list[2]] = [s.list[2], s.list[0]]; ({ x: s.a = 7 } = {}); return [s.a, s.b, ...s.list];',
  ],
  generators: [
    '{ n: 0, out: [] }',
    'const g = (function* () { s.n = yield 1; s.out.push(s.n += yield 2); })(); g.next(); g.next(5); g.next(6); return [s.n, ...s.out];',
  ],
};

/** What run() answers, beside the objects that it still shares with the state. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe.each(Object.entries(PROGRAMS))('%s', (_name, [build, body]) => {
  it('means what it meant', async () => {
    const original = await program(build, body, false);
    const rewritten = await program(build, body, true);
    expect(plain(rewritten.run())).toEqual(plain(original.run()));
  });

  it('is undone', async () => {
    const { state, run } = await program(build, body, true);
    const start = graphLines(state);
    mark();
    const first = plain(run());
    rewind();
    expect(firstDifference([...start].sort(), graphLines(state).sort())).toBeNull();
    expect(plain(run())).toEqual(first);
    unmark();
  });
});

describe('what cannot be made known to the log', () => {
  it.each([
    ['for (s.a of [1, 2]) ;', 'this loop variable'],
    ['s.f?.push?.(1);', 'this optional call'],
    ['undeclared = 1;', 'the global undeclared'],
  ])('%s is an error with its place', (body, what) => {
    expect(() => instrument('x.js', `\n  ${body}`, false)).toThrow(`x.js: 2:`);
    expect(() => instrument('x.js', `\n  ${body}`, false)).toThrow(what);
  });
});
