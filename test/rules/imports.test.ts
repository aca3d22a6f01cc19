// The architecture as a test: who may import whom (the table of the design), faces, cycles, npm packages.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');
const HW = ['hw/memory', 'hw/sv39', 'hw/tlb', 'hw/isa', 'hw/hart'];
const CORE = ['units', 'sched', 'trace', ...HW, 'mm', 'notifier', 'kvm', 'drivers', 'asm', 'vmm', 'oracle'];

interface Rule {
  readonly rooms: readonly string[];
  readonly npm: readonly string[];
}

const EVERYTHING = [
  ...CORE,
  'machine',
  'loader',
  'explore',
  'scenarios',
  'exhibits',
  'report',
  'platform',
  'kernel',
  'lab',
  'exploration',
  'matchers',
  'cli',
  'index',
];
const MAY_IMPORT: Record<string, Rule> = {
  units: { rooms: [], npm: [] },
  sched: { rooms: ['units'], npm: [] },
  trace: { rooms: ['units'], npm: ['nanoevents'] },
  'hw/memory': { rooms: ['units'], npm: [] },
  'hw/isa': { rooms: ['units'], npm: [] },
  'hw/sv39': { rooms: ['units', 'hw/memory'], npm: [] },
  'hw/tlb': { rooms: ['units', 'hw/memory', 'hw/sv39'], npm: ['lru-cache'] },
  'hw/hart': { rooms: ['units', 'trace', ...HW], npm: ['lru-cache'] },
  notifier: { rooms: ['units', 'sched', 'trace'], npm: [] },
  mm: { rooms: ['units', 'hw/memory', 'hw/sv39', 'hw/tlb', 'sched', 'trace', 'notifier'], npm: [] },
  kvm: { rooms: ['units', ...HW, 'sched', 'trace', 'mm', 'notifier'], npm: [] },
  drivers: {
    rooms: ['units', 'hw/memory', 'hw/sv39', 'hw/tlb', 'sched', 'trace', 'mm', 'notifier'],
    npm: ['lru-cache'],
  },
  asm: { rooms: ['units', 'hw/isa'], npm: [] },
  vmm: { rooms: ['units', 'hw/memory', 'hw/isa', 'sched', 'trace', 'mm', 'kvm'], npm: [] },
  oracle: { rooms: CORE, npm: [] },
  machine: { rooms: CORE, npm: [] },
  journal: { rooms: [], npm: [] },
  loader: { rooms: ['journal'], npm: ['node:', '@babel/parser', 'magic-string'] },
  explore: { rooms: [...CORE, 'journal'], npm: [] },
  scenarios: { rooms: [...CORE, 'explore'], npm: [] },
  report: { rooms: ['units', 'hw/sv39', 'trace', 'mm', 'vmm', 'machine'], npm: ['node:'] },
  exhibits: { rooms: ['oracle', 'loader'], npm: [] },
  platform: { rooms: ['units', 'trace', 'mm'], npm: ['node:'] },
  kernel: { rooms: [...CORE, 'explore'], npm: [] },
  lab: { rooms: [...CORE, 'machine'], npm: [] },
  exploration: { rooms: ['explore', 'loader', 'platform'], npm: ['node:'] },
  matchers: { rooms: ['trace', 'lab', 'exploration'], npm: ['vitest'] },
  cli: { rooms: EVERYTHING, npm: ['node:', 'commander', 'tsx'] },
  index: { rooms: EVERYTHING, npm: [] },
};
/** Rooms that are single files. */
const FILES = ['units', 'machine', 'kernel', 'lab', 'exploration', 'matchers', 'index'];

function sourceFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sourceFiles(path);
    return name.endsWith('.ts') && !name.endsWith('.d.ts') ? [path] : [];
  });
}

function roomOf(path: string): string {
  const parts = relative(SRC, path).split('/');
  if (parts.length === 1) return parts[0]!.replace(/\.ts$/, '');
  return parts[0] === 'hw' ? `hw/${parts[1]}` : parts[0]!;
}

interface Import {
  readonly from: string;
  readonly specifier: string;
  readonly typeOnly: boolean;
}

function importsOf(path: string): Import[] {
  const text = readFileSync(path, 'utf8');
  const statement =
    /^(?:import|export)\s+(?:(type)\s+)?(?:\{[^}]*\}|\*(?:\s+as\s+\w+)?|\w+)\s+from\s+['"]([^'"]+)['"]/gm;
  const dynamic = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;
  return [
    ...[...text.matchAll(statement)].map((m) => ({
      from: path,
      specifier: m[2]!,
      typeOnly: m[1] !== undefined,
    })),
    ...[...text.matchAll(dynamic)].map((m) => ({ from: path, specifier: m[1]!, typeOnly: false })),
  ];
}

const FILE_LIST = sourceFiles(SRC);
const IMPORTS = FILE_LIST.flatMap(importsOf);
const isLocal = (i: Import): boolean => i.specifier.startsWith('.');
const targetOf = (i: Import): string => resolve(dirname(i.from), i.specifier);
const where = (i: Import): string => `${relative(SRC, i.from)} imports ${i.specifier}`;

describe('the import table', () => {
  it('has a row for every room', () => {
    expect(FILE_LIST.map(roomOf).filter((room) => !(room in MAY_IMPORT))).toEqual([]);
  });

  it('is kept by every import of another room', () => {
    const broken = IMPORTS.filter(isLocal).filter((i) => {
      const [from, to] = [roomOf(i.from), roomOf(targetOf(i))];
      return from !== to && !MAY_IMPORT[from]!.rooms.includes(to);
    });
    expect(broken.map(where)).toEqual([]);
  });

  it('lets other rooms in only by the face; a room never imports its own', () => {
    const broken = IMPORTS.filter(isLocal).filter((i) => {
      const target = targetOf(i);
      const [from, to] = [roomOf(i.from), roomOf(target)];
      if (FILES.includes(to)) return false;
      if (from === to) return target === join(SRC, to, 'index.ts');
      const door = ['oracle', 'explore', 'report', 'lab'].includes(from)
        ? ['index.ts', 'internals.ts']
        : ['index.ts'];
      return from !== 'cli' && !door.some((name) => target === join(SRC, to, name));
    });
    expect(broken.map(where)).toEqual([]);
  });

  it('allows each room its npm packages and no other', () => {
    const broken = IMPORTS.filter((i) => !isLocal(i)).filter(
      (i) =>
        !MAY_IMPORT[roomOf(i.from)]!.npm.some(
          (name) => i.specifier === name || i.specifier.startsWith(`${name}`),
        ),
    );
    expect(broken.map(where)).toEqual([]);
  });

  it('has no cycle among files', () => {
    const edges = new Map<string, string[]>();
    for (const i of IMPORTS.filter((each) => isLocal(each) && !each.typeOnly)) {
      edges.set(i.from, [...(edges.get(i.from) ?? []), targetOf(i)]);
    }
    expect(findCycle(edges)).toBeNull();
  });
});

function findCycle(edges: Map<string, string[]>): string | null {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string | null => {
    if (path.includes(file))
      return [...path.slice(path.indexOf(file)), file].map((f) => relative(SRC, f)).join(' -> ');
    if (done.has(file)) return null;
    path.push(file);
    for (const next of edges.get(file) ?? []) {
      const cycle = visit(next);
      if (cycle !== null) return cycle;
    }
    path.pop();
    done.add(file);
    return null;
  };
  for (const file of edges.keys()) {
    const cycle = visit(file);
    if (cycle !== null) return cycle;
  }
  return null;
}
