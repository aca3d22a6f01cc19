// The rule of the design that a point stands before each access to shared state: here for all code, by reading it. In
// exploration each accessor asserts it as well, for what happens to run (sched/points.ts).
//
// The tables name the shared state. What they leave out is not announced: state that is only ever touched under a lock
// that is itself announced (shadow pages, gfn rmaps, memslot rmaps, the swap map's free slots), statistics and
// what reclaim estimates by (list sizes, free pages, what memory cgroups are charged), and plain flags (killed,
// unstable).

import { afterAll, describe, expect, it } from 'vitest';
import { type Point, PointDuties, type PointTables } from './pointDuties.ts';
import { PointWalk, type Violation } from './pointWalk.ts';
import { Sources } from './sourceModel.ts';

const members = (owner: string, ...names: readonly string[]): string[] =>
  names.map((name) => `${owner}.${name}`);

/** Accessors: functions that assert their point, and its kind. */
const ACCESSORS: Readonly<Record<string, readonly string[]>> = {
  pte: ['readPte', 'setPte', 'dropPte', 'isUffdWp', 'setUffdWp'],
  spte: ['readSpte', 'setSpte', 'exchangeSpte', 'changeLeafSpte', 'testAndClearAccessed'],
  tlb: ['reach', ...members('HostCpu', 'request', '#flush')],
  sequence: [
    ...members('Inode', 'size', 'setSize'),
    'invalidateRangeAdd',
    'endInvalidate',
    'mmuInvalidateRetryGfn',
    'mmuIntervalReadRetry',
    'MmuIntervalNotifier.invalidateSeq',
  ],
  page: [
    ...members('Frames', 'prepare', 'release', 'count', 'get', 'tryGet', 'putTestZero', 'freeze', 'unfreeze'),
    ...members('Frames', 'maps', 'test', 'set', 'clear', 'unpinTestZero'),
    ...members('Frames', 'isAnonExclusive', 'setAnonExclusive', 'makeHugeZero', 'makeLarge', 'unmakeLarge'),
    ...members('LargeFolios', 'mapcount', 'entireMapcount', 'addPte', 'addPmd', 'removePte', 'removePmd'),
    ...members('LargeFolios', 'deferSplit', 'nrUnmapped'),
  ],
  lru: members('Lruvec', 'tail', 'remove', '#insert'),
  list: [
    'findEntry',
    'kvmMemslots',
    'publishMemslots',
    'setTable',
    'insertInIMmap',
    'removeFromIMmap',
    ...members('VmaList', 'all', 'findFrom', 'findUnderRcu', 'overlapping', 'insert', 'remove', 'gapAround'),
    ...members('VmaList', 'reusableAnonVma', 'previous', 'reshape', 'unmappedArea'),
    ...members('AnonVma', 'vmas', 'insert', 'remove'),
    'AddressSpace.iMmap',
    ...members('IPages', 'load', '#storeOne', 'indexesIn'),
    ...members('Zone', '#link', '#unlink'),
    ...members('NotifierSubscriptions', 'list', 'replaceListLocked'),
  ],
  slot: [
    ...members('SwapInfo', '#entry', 'folioOf', 'isZeroFilled', 'setZeroFilled', 'memcgOf'),
    ...members('SwapInfo', '#setEntry', '#setFolio', 'pin', 'evict', 'replace'),
  ],
  vcpu: ['handleRequests'],
};

const all = (owner: string, names: readonly string[], kind: string, object: string) =>
  Object.fromEntries(members(owner, ...names).map((name) => [name, { kind, object }]));

/** Shared state that asserts nothing: fields, and what hw offers, which knows no points. */
const SHARED: Readonly<Record<string, Point>> = {
  ...all('Mutex', ['#owner'], 'lock', '$r'),
  ...all('RwLock', ['#writer', '#readers'], 'lock', '$r'),
  ...all('Lock', ['waiters'], 'lock', '$r'),
  ...all('Srcu', ['#inside', '#index'], 'lock', '$r'),
  ...all('Frames', ['kind', 'refcount', 'mapcount', 'flags', 'mapping', 'index', 'private'], 'page', '$i'),
  ...all('PhysicalMemory', ['zero', 'releaseCode', 'poison'], 'page', '$0'),
  ...all('PhysicalMemory', ['copyFrame'], 'page', '$1'),
  ...all('Zone', ['#next', '#prev', '#groupFree'], 'list', '$r.lock.id'),
  ...all('Lruvec', ['#next', '#prev'], 'lru', '$r.lock.id'),
  ...all('VmaList', ['#sorted'], 'list', '$r.id'),
  ...all('AnonVma', ['#vmas'], 'list', '$r.rwsem.id'),
  ...all('AddressSpace', ['#iMmap'], 'list', '$r.iMmapRwsem.id'),
  ...all('IPages', ['#entries'], 'list', '$r.lock.id'),
  ...all('Inode', ['#size'], 'sequence', '$r.id'),
  ...all('Kvm', ['memslots'], 'list', '$r.id'),
  ...all('Kvm', ['mmuInvalidateSeq', 'mmuInvalidateInProgress'], 'sequence', '$r.id'),
  ...all('Kvm', ['vmDead'], 'sequence', '$r.id'),
  ...all('Kvm', ['mmuInvalidateRangeStart', 'mmuInvalidateRangeEnd'], 'sequence', '$r.id'),
  ...all('Vcpu', ['mode'], 'vcpu', '$r.index'),
  ...all('Hart', ['run', 'kick', 'flushAll', 'flushPage'], 'vcpu', '$r.index'),
  breakReservation: { kind: 'vcpu', object: '$0.index' },
  ...all('Hart', ['setShadowRoot', 'setDirectRoot'], 'vcpu', '$r.index'),
  ...all('Loans', ['lend', 'isEmpty'], 'vcpu', '*'),
  ...all('HostCpu', ['#requests'], 'tlb', '$r.index'),
  ...all('CpuTlb', ['translate', 'flushAll', 'flushAsid', 'flushRange'], 'tlb', '*'),
  walkTables: { kind: 'tlb', object: '*' },
};

const TABLES: PointTables = {
  shared: SHARED,
  callbacks: {
    // Its own point announces what the condition reads (sched/wait.ts).
    'WaitQueue.until': null,
    // Between steps.
    'Scheduler.after': null,
    handleHvaRange: { kind: 'sequence', object: '$0.id' },
  },
  exempt: {
    'RwLock.assertHeldWrite': 'what is asserted is not decided upon',
    assertTable: 'what is asserted is not decided upon',
    'Srcu.synchronize': 'until() returns in the step of its point, which names the domain',
    'Srcu.readers': 'for who inspects a stopped machine',
    'Srcu.holders': 'for the report of a deadlock',
    inspectPage: 'for who inspects a stopped machine',
    inspectFilePage: 'for who inspects a stopped machine',
    inspectSlot: 'for who inspects a stopped machine',
    inspectMemslot: 'for who inspects a stopped machine',
    readPagemap: 'for who inspects a stopped machine',
    readPagemapImage: 'for who inspects a stopped machine',
    pagemapEntry: 'for who inspects a stopped machine',
    mappedPageBits: 'for who inspects a stopped machine',
    readKpageflags: 'for who inspects a stopped machine',
    kpageFlags: 'for who inspects a stopped machine',
    'Frames.makeSmall': 'nobody else has a reference to the folio, nor can get one',
    'Frames.pageMapcount': 'for who inspects a stopped machine',
    kvmVcpuKick: 'an interrupt, which events raise too, between steps',
  },
  // One scheduler runs all; a hart is its vCPU's.
  normal: (object) => object.replace(/^.*\.sched\.current\b/, 'current').replace(/\.hart\.index$/, '.index'),
};

/** Who may touch the words of memory itself. */
const RAW_MEMORY: Readonly<Record<string, readonly string[]>> = {
  'accessors of sptes': ['readSpte', 'setSpte', 'exchangeSpte', 'changeLeafSpte', 'testAndClearAccessed'],
  'accessors of PTEs': [
    'readPte',
    'setPte',
    'dropPte',
    'softwareBits',
    'setUffdWp',
    'ptepGetAndClear',
    'ptepTestAndClearYoung',
    'ptepClearYoungDirty',
  ],
  'upper levels, preceded by at.list(), or under the lock of the table': [
    'walkTo',
    'findHugePmd',
    'hostMappingLevel',
    'allocTable',
    'unhook',
    'setTable',
  ],
  'mmu_lock is held, and only its holders make sptes present or not': ['presentSptes', 'unsyncDescendants'],
  'a guess at what is old': ['wasUsed'],
  'user accesses of a CPU, preceded by at.tlb()': ['readUser64', 'cmpxchgUser64', 'userLoad64'],
  'the same, in one step': ['userCompareExchange64'],
  'the content of a locked page': ['isZeroFilled'],
  'the content of pages that may be merged, which is compared for good under the folio lock': [
    'comparePages',
    'calcChecksum',
  ],
  'who inspects a stopped machine, or changes it for a debugger': ['entryAt', 'touchForStore'],
};

const FIXTURE = 'test/rules/pointFixture.ts';
const ROOMS = ['mm', 'kvm', 'notifier', 'sched', 'drivers'].map((room) => `src/${room}`);
const HARDWARE = [
  'hart/hart.ts',
  'hart/reservation.ts',
  'hart/loans.ts',
  'tlb/cpuTlb.ts',
  'memory/physicalMemory.ts',
].map((file) => `src/hw/${file}`);
const sources = new Sources([...ROOMS, FIXTURE], HARDWARE);
afterAll(() => sources.close());
const duties = new PointDuties(sources, TABLES);
const isCode = ({ file }: { readonly file: string }): boolean => file !== FIXTURE;

function walk(wanted: (fn: { readonly file: string }) => boolean): readonly Violation[] {
  const functions = sources.functions.filter((fn) => fn.isSteps && wanted(fn) && !duties.isExempt(fn));
  return functions.flatMap((fn) => new PointWalk(duties, fn).run());
}

describe('the rule about points', () => {
  it('finds exactly the lines that break it', () => {
    const fixture = sources.files.find(({ fileName }) => fileName.endsWith(FIXTURE))!;
    const marked = fixture.text
      .split('\n')
      .flatMap((line, i) => (/\/\/ wrong$/.test(line) ? [`${FIXTURE}:${i + 1}`] : []));
    expect(marked.length).toBeGreaterThan(10);
    expect(walk((fn) => !isCode(fn)).map(({ where }) => where)).toEqual(marked);
  });

  it('is kept: a point stands before each access to shared state', () => {
    expect(walk(isCode).map(({ where, text }) => `${where}: ${text}`)).toEqual([]);
  });

  it('is asserted by the accessors of the table, and by no others', () => {
    for (const fn of sources.functions) duties.dutiesOf(fn);
    const listed = Object.entries(ACCESSORS).flatMap(([kind, names]) =>
      names.map((name) => `${name}: ${kind}`),
    );
    const found = [...duties.asserting].map(([name, kind]) => `${name}: ${kind}`);
    expect(found.sort()).toEqual(listed.sort());
  });
});

describe('the tables', () => {
  it('name nothing that is not there', () => {
    walk(isCode);
    for (const fn of sources.functions) duties.dutiesOf(fn);
    const named = [...Object.keys(TABLES.shared), ...Object.keys(TABLES.exempt)];
    expect(named.filter((name) => !duties.met.has(name))).toEqual([]);
  });
});

describe('a function that cannot stop', () => {
  const touching = sources.functions.filter((fn) => isCode(fn) && duties.dutiesOf(fn).length > 0);

  it('touches one object, and one that its callers can name', () => {
    const offenders = touching.filter((fn) => {
      const objects = new Set(duties.dutiesOf(fn).map(({ kind, object }) => `${kind} ${object}`));
      return objects.size > 1 || [...objects].some((object) => /\?|@/.test(object));
    });
    expect(offenders.map(({ name }) => name)).toEqual([]);
  });

  it('says in its file which point its callers in other files announce', () => {
    const used = sources.usedElsewhere();
    const silent = touching
      .filter((fn) => used.has(fn))
      .flatMap((fn) => duties.dutiesOf(fn).map(({ kind }) => ({ fn, kind })))
      .filter(({ fn, kind }) => !sources.commentsOf(fn.file).includes(`at.${kind}(`));
    expect(silent.map(({ fn, kind }) => `${fn.file} ${fn.name}: at.${kind}()`)).toEqual([]);
  });
});

describe('memory', () => {
  it('is touched word by word by those alone who have a reason', () => {
    const allowed = new Set(Object.values(RAW_MEMORY).flat());
    const users = sources.usersOf(['PhysicalMemory.i32', 'PhysicalMemory.read32', 'PhysicalMemory.write64']);
    expect(new Set(users.filter(isCode).map(({ name }) => name))).toEqual(allowed);
  });
});
