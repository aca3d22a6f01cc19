// The TLB: what hits, what a context keeps, what each flush removes, and that code and stores stay apart.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fact, PhysicalMemory } from '../../../src/hw/memory/index.ts';
import {
  DTLB_ADDEND,
  DTLB_READ_TAG,
  DTLB_WRITE_TAG,
  INFO_EXECUTE,
  INFO_READ,
  INFO_WRITE,
  REGIMES_MAX,
  type RegimeKey,
  Tlb,
  TlbDomain,
  type TlbGeometry,
  tlbBytes,
  translationPfn,
} from '../../../src/hw/tlb/index.ts';
import { RegimeTable } from '../../../src/hw/tlb/regime.ts';
import { type Hpa, type Pfn, UmbraBug } from '../../../src/units.ts';

const GEOMETRY: TlbGeometry = { contexts: 2, dtlbEntries: 16, itlbEntries: 16, l2Entries: 64 };
const RW = INFO_READ | INFO_WRITE;
const PAGE = 0x80001000;

const key = (over: Partial<RegimeKey> = {}): RegimeKey => ({
  paged: true,
  root: 0x1000,
  asid: 0,
  secondStage: 0,
  user: false,
  machine: false,
  sum: false,
  mxr: false,
  setsAccessedDirty: true,
  open: true,
  ...over,
});
const DIRECT = key({ paged: false, root: 0, secondStage: 0x2000, user: true });

function make(count = 1) {
  const memory = new PhysicalMemory({ frames: 32, deviceBytes: count * (tlbBytes(GEOMETRY) + 64) });
  const domain = new TlbDomain(memory);
  const tlbs = Array.from({ length: count }, () => {
    const tlb = new Tlb(domain, GEOMETRY);
    tlb.select(key(), key());
    return tlb;
  });
  return { memory, domain, tlb: tlbs[0]!, tlbs, frame: (i: number) => (memory.firstPfn + i) as Pfn };
}

/** What a load or store of `size` bytes finds: the host address, or null on a miss. */
function probe(memory: PhysicalMemory, tlb: Tlb, va: number, size: number, tag: number): number | null {
  const entry = tlb.first.dtlbBase + (Math.floor(va / 4096) & 15) * 32;
  const hit = memory.dv.getBigInt64(entry + tag, true) === (BigInt(va) & BigInt(-4096 + size - 1));
  return hit ? ((va % 2 ** 32) + memory.dv.getInt32(entry + DTLB_ADDEND, true)) >>> 0 : null;
}

describe('the data table', () => {
  it('translates aligned accesses to the frame, at negative addresses too, and never misaligned ones', () => {
    const { memory, tlb, frame } = make();
    for (const page of [0, PAGE, 2 ** 38 - 4096, -4096, -(2 ** 38)]) {
      tlb.flushAll();
      tlb.first.fillData(page, frame(3), RW);
      const host = frame(3) * 4096;
      expect(probe(memory, tlb, page + 0x10, 8, DTLB_READ_TAG)).toBe(host + 0x10);
      expect(probe(memory, tlb, page + 0xffc, 4, DTLB_WRITE_TAG)).toBe(host + 0xffc);
      expect(probe(memory, tlb, page + 0x14, 8, DTLB_READ_TAG)).toBeNull();
      expect(probe(memory, tlb, page + 1, 2, DTLB_READ_TAG)).toBeNull();
      expect(probe(memory, tlb, page + 4096, 1, DTLB_READ_TAG)).toBeNull();
    }
  });

  it('permits stores only with W, and loads only with R', () => {
    const { memory, tlb, frame } = make();
    tlb.first.fillData(PAGE, frame(1), INFO_READ);
    expect(probe(memory, tlb, PAGE, 8, DTLB_READ_TAG)).not.toBeNull();
    expect(probe(memory, tlb, PAGE, 8, DTLB_WRITE_TAG)).toBeNull();
    expect(tlb.first.dataInfo(PAGE)).toBe(INFO_READ);
    tlb.first.fillData(PAGE, frame(1), INFO_EXECUTE);
    expect(probe(memory, tlb, PAGE, 8, DTLB_READ_TAG)).toBeNull();
  });

  it('never keeps a tag of a page that another one replaced', () => {
    const { memory, tlb, frame } = make();
    tlb.first.fillData(PAGE, frame(1), RW);
    tlb.first.fillData(PAGE + 16 * 4096, frame(2), INFO_READ);
    expect(probe(memory, tlb, PAGE, 8, DTLB_READ_TAG)).toBeNull();
    expect(probe(memory, tlb, PAGE, 8, DTLB_WRITE_TAG)).toBeNull();
    expect(probe(memory, tlb, PAGE + 16 * 4096, 8, DTLB_WRITE_TAG)).toBeNull();
  });

  it('refuses to reach anything but a frame', () => {
    const { memory, tlb } = make();
    for (const pfn of [0, 1, memory.firstPfn - 1, memory.endPfn, 2 ** 20, -1]) {
      expect(() => tlb.first.fillData(PAGE, pfn as Pfn, RW), `pfn ${pfn}`).toThrow(UmbraBug);
      expect(() => tlb.first.fillFetch(PAGE, pfn as Pfn, INFO_EXECUTE)).toThrow(UmbraBug);
    }
  });

  it('reaches only frames that guests may see', () => {
    const { memory, tlb, frame } = make();
    memory.note(Fact.reachable, frame(2), false);
    tlb.first.fillData(PAGE, frame(1), RW);
    tlb.first.fillFetch(PAGE, frame(1), INFO_EXECUTE);
    expect(() => tlb.first.fillData(PAGE, frame(2), RW)).toThrow(UmbraBug);
    expect(() => tlb.first.fillFetch(PAGE, frame(2), INFO_EXECUTE)).toThrow(UmbraBug);
  });
});

describe('code and stores', () => {
  it('a fetch revokes the write tags of the frame in every TLB and every context', () => {
    const { memory, tlbs, frame } = make(2);
    const [a, b] = tlbs as [Tlb, Tlb];
    a.first.fillData(PAGE, frame(1), RW);
    b.first.fillData(PAGE, frame(1), RW);
    b.first.fillData(PAGE + 4096, frame(2), RW);
    b.select(DIRECT, DIRECT);
    b.first.fillData(PAGE, frame(1), RW);
    a.first.fillFetch(PAGE, frame(1), INFO_EXECUTE);
    expect(memory.is(Fact.hasCode, frame(1))).toBe(true);
    expect(probe(memory, a, PAGE, 8, DTLB_WRITE_TAG)).toBeNull();
    expect(probe(memory, a, PAGE, 8, DTLB_READ_TAG)).not.toBeNull();
    expect(probe(memory, b, PAGE, 8, DTLB_WRITE_TAG)).toBeNull();
    b.select(key(), key());
    expect(probe(memory, b, PAGE, 8, DTLB_WRITE_TAG)).toBeNull();
    expect(probe(memory, b, PAGE + 4096, 8, DTLB_WRITE_TAG)).not.toBeNull();
  });

  it('a frame with code gets no write tag until its code is released', () => {
    const { memory, tlb, frame } = make();
    tlb.first.fillFetch(PAGE, frame(1), INFO_EXECUTE);
    tlb.first.fillData(PAGE, frame(1), RW);
    expect(probe(memory, tlb, PAGE, 8, DTLB_WRITE_TAG)).toBeNull();
    expect(tlb.first.dataInfo(PAGE) & INFO_WRITE).not.toBe(0);
    memory.releaseCode(frame(1));
    tlb.first.fillData(PAGE, frame(1), RW);
    expect(probe(memory, tlb, PAGE, 8, DTLB_WRITE_TAG)).not.toBeNull();
  });
});

describe('contexts', () => {
  it('keep their entries while others run, and lose them when their slot is taken', () => {
    const { tlb, frame } = make();
    const [one, two, three] = [1, 2, 3].map((asid) => key({ asid })) as [RegimeKey, RegimeKey, RegimeKey];
    tlb.select(one, one);
    tlb.first.fillData(PAGE, frame(1), RW);
    tlb.select(two, two);
    expect(tlb.first.dataInfo(PAGE)).toBe(0);
    tlb.select(one, one);
    expect(tlb.first.dataInfo(PAGE)).toBe(RW);
    tlb.select(three, three);
    tlb.select(one, one);
    expect(tlb.first.dataInfo(PAGE)).toBe(RW);
    tlb.select(two, two);
    tlb.select(three, three);
    tlb.select(one, one);
    expect(tlb.first.dataInfo(PAGE)).toBe(0);
  });

  it.each([
    ['privilege', { user: true }],
    ['SUM', { sum: true }],
    ['MXR', { mxr: true }],
    ['root', { root: 0x9000 }],
    ['ASID', { asid: 7 }],
    ['second stage', { secondStage: 0x4000 }],
    ['A/D scheme', { setsAccessedDirty: false }],
    ['paging', { paged: false, secondStage: 0x1000 }],
  ])('are told apart by %s', (_name, over) => {
    const { tlb, frame } = make();
    tlb.first.fillData(PAGE, frame(1), RW);
    tlb.insert(tlb.dataRegime, PAGE, frame(1), RW);
    tlb.select(key(), key(over));
    expect(tlb.first.dataInfo(PAGE)).toBe(0);
    expect(tlb.probe(tlb.dataRegime, PAGE)).toBe(-1);
  });

  it('stay apart when more regimes come than are remembered', () => {
    const { tlb, frame } = make();
    const first = tlb.dataRegime;
    tlb.insert(first, PAGE, frame(1), RW);
    for (let asid = 1; asid <= REGIMES_MAX + 3; asid++) {
      tlb.select(key({ asid }), key({ asid }));
      expect(tlb.probe(tlb.dataRegime, PAGE)).toBe(-1);
    }
    tlb.select(key(), key());
    expect(tlb.dataRegime).not.toBe(first);
    expect(tlb.probe(tlb.dataRegime, PAGE)).toBe(-1);
  });
});

describe('regime ids', () => {
  it('start anew, with an empty second level, before keys could collide', () => {
    let emptied = 0;
    const table = new RegimeTable(() => emptied++, { clock: 0, lastUse: () => 0 });
    const [a, b] = [table.intern(key({ asid: 1 })), table.intern(key({ asid: 2 }))];
    for (let i = 0; i < 2 ** 22 - 2; i++) table.renew(a);
    expect(emptied).toBe(0);
    table.renew(b);
    expect(emptied).toBe(1);
    expect(new Set([a.id, b.id, table.intern(key({ asid: 3 })).id]).size).toBe(3);
    expect(Math.max(a.id, b.id)).toBeLessThan(8);
  });
});

describe('flushes reach both levels', () => {
  type Flush = (tlb: Tlb) => void;
  const spacious = { ...GEOMETRY, contexts: 4 };

  /** Which of four translations survive: (asid 1, page A), (asid 1, page B), (asid 2, page A), (direct, page A). */
  function survivors(flush: Flush, info = RW | INFO_EXECUTE): string {
    const memory = new PhysicalMemory({ frames: 8, deviceBytes: tlbBytes(spacious) + 64 });
    const tlb = new Tlb(new TlbDomain(memory), spacious);
    const cases = [
      [key({ asid: 1, root: 0x1000 }), PAGE],
      [key({ asid: 1, root: 0x1000 }), PAGE + 4096],
      [key({ asid: 2, root: 0x3000 }), PAGE],
      [DIRECT, PAGE],
    ] as const;
    for (const [regime, page] of cases) {
      tlb.select(regime, regime);
      tlb.first.fillData(page, memory.firstPfn, info);
      tlb.first.fillFetch(page, memory.firstPfn, info);
      tlb.insert(tlb.dataRegime, page, memory.firstPfn, info);
    }
    flush(tlb);
    const survived = cases.map(([regime, page]) => {
      tlb.select(regime, regime);
      const left = [
        tlb.first.dataInfo(page) !== 0,
        tlb.first.hasFetch(page),
        tlb.probe(tlb.dataRegime, page) >= 0,
      ];
      expect(new Set(left).size).toBe(1);
      return left[0] ? 'y' : '-';
    });
    return survived.join('');
  }

  it.each<[string, Flush, string]>([
    ['flushAll', (t) => t.flushAll(), '----'],
    ['flushPage', (t) => t.flushPage(PAGE), '-y--'],
    ['flushRoot of an address space', (t) => t.flushRoot(0x1000), '--yy'],
    ['flushRoot of the second stage', (t) => t.flushRoot(0x2000), 'yyy-'],
    ['sfence of all', (t) => t.flushPaged(null, null), '---y'],
    ['sfence of an ASID', (t) => t.flushPaged(null, 1), '--yy'],
    ['sfence of a page', (t) => t.flushPaged(PAGE, null), '-y-y'],
    ['sfence of a page in an ASID', (t) => t.flushPaged(PAGE, 2), 'yy-y'],
    ['sfence of another page', (t) => t.flushPaged(PAGE + 8192, null), 'yyyy'],
  ])('%s', (_name, flush, expected) => {
    expect(survivors(flush)).toBe(expected);
  });

  it('an address flush takes the whole context where superpages lie in fragments', () => {
    expect(survivors((t) => t.flushPaged(PAGE + 8192, 1), RW | INFO_EXECUTE | 1)).toBe('--yy');
  });
});

describe('the TLB as a whole', () => {
  it('visits every entry once per level, with its regime', () => {
    const { tlb, frame } = make();
    tlb.first.fillData(-4096, frame(1), RW);
    tlb.first.fillFetch(PAGE, frame(2), INFO_EXECUTE);
    tlb.insert(tlb.dataRegime, PAGE, frame(2), RW);
    const seen: unknown[] = [];
    tlb.forEach((regime, page, pfn, info, kind) => {
      seen.push([regime === tlb.dataRegime, page, pfn, info, kind]);
    });
    expect(seen).toEqual([
      [true, -4096, frame(1), RW, 'data'],
      [true, PAGE, frame(2), INFO_EXECUTE, 'fetch'],
      [true, PAGE, frame(2), RW, 'second'],
    ]);
  });

  it('bounds the second level', () => {
    const { tlb, frame } = make();
    for (let i = 0; i < 100; i++) tlb.insert(tlb.dataRegime, i * 4096, frame(1), RW);
    let count = 0;
    tlb.forEach(() => {
      count++;
    });
    expect(count).toBe(GEOMETRY.l2Entries);
    expect(tlb.probe(tlb.dataRegime, 0)).toBe(-1);
    expect(translationPfn(tlb.probe(tlb.dataRegime, 99 * 4096))).toBe(frame(1));
  });

  it('rejects geometries that the layout cannot index', () => {
    const { domain } = make();
    for (const over of [{ dtlbEntries: 24 }, { itlbEntries: 8 }, { contexts: 0 }, { l2Entries: -1 }]) {
      expect(() => new Tlb(domain, { ...GEOMETRY, ...over })).toThrow(RangeError);
    }
  });

  it('never serves a translation that a covering flush removed (random fills, switches and flushes)', () => {
    const spaces = [key({ asid: 1 }), key({ asid: 2, user: true }), DIRECT];
    const step = fc.record({
      what: fc.constantFrom('fill', 'insert', 'select', 'flushPage', 'flushAsid', 'flushAll'),
      space: fc.nat(2),
      page: fc.nat(40),
      frame: fc.nat(7),
      level: fc.constantFrom(0, 0, 0, 1),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { tlb, frame } = make();
        const model = spaces.map(() => new Map<number, Set<number>>());
        let now = 0;
        tlb.select(spaces[0]!, spaces[0]!);
        for (const s of steps) {
          const page = s.page * 4096;
          const info = RW | s.level;
          if (s.what === 'select') {
            now = s.space;
            tlb.select(spaces[now]!, spaces[now]!);
          } else if (s.what === 'flushPage') {
            tlb.flushPage(page);
            for (const space of model) space.delete(page);
          } else if (s.what === 'flushAll') {
            tlb.flushAll();
            for (const space of model) space.clear();
          } else if (s.what === 'flushAsid') {
            tlb.flushPaged(null, s.space);
            if (s.space > 0) model[s.space - 1]!.clear();
          } else {
            const known = model[now]!.get(page) ?? new Set();
            model[now]!.set(page, known.add(frame(s.frame)));
            if (s.what === 'fill') tlb.first.fillData(page, frame(s.frame), info);
            else tlb.insert(tlb.dataRegime, page, frame(s.frame), info);
          }
          for (let p = 0; p <= 40; p++) {
            const at = p * 4096;
            const second = tlb.probe(tlb.dataRegime, at);
            const served = [
              ...(tlb.first.dataInfo(at) ? [((at | 0) + tlb.first.dataAddend(at)) >>> 12] : []),
              ...(second >= 0 ? [translationPfn(second)] : []),
            ];
            for (const pfn of served) if (!model[now]!.get(at)?.has(pfn)) return false;
          }
        }
        return true;
      }),
      { numRuns: 60, seed: 1 },
    );
  });
});

describe('hostile addresses', () => {
  it('the page and frame arithmetic of an entry never leaves the frame', () => {
    const { memory, tlb } = make();
    fc.assert(
      fc.property(
        fc.integer({ min: -(2 ** 26), max: 2 ** 29 - 1 }),
        fc.nat(31),
        fc.nat(4095),
        (vpn, f, offset) => {
          const pfn = (memory.firstPfn + f) as Pfn;
          const page = vpn * 4096;
          tlb.first.fillData(page, pfn, RW);
          const host = ((page + offset) | 0) + tlb.first.dataAddend(page);
          return host >>> 0 === ((pfn * 4096 + offset) as Hpa);
        },
      ),
      { seed: 2 },
    );
  });
});
