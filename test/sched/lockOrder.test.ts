import { describe, expect, it } from 'vitest';
import { LOCKS, type LockClass, Mutex, type Scheduler, type Steps } from '../../src/sched/index.ts';
import { bugOf, runTasks } from '../support/tasks.ts';

const CLASSES: readonly LockClass[] = Object.values(LOCKS);

/** Takes a lock of each class in turn, then releases them. */
const takes = (...classes: LockClass[]) =>
  function* (sched: Scheduler): Steps {
    const locks = classes.map((lockClass) => new Mutex(sched, lockClass));
    for (const lock of locks) yield* lock.lock();
    for (const lock of locks) yield* lock.unlock();
  };
const run = (...classes: LockClass[]): unknown => runTasks({ a: takes(...classes) });

describe('the lock order', () => {
  it('ranks each class once, in the order of the table, sleeping locks above spinning ones', () => {
    const ranks = CLASSES.map(({ rank }) => rank);
    expect(ranks).toEqual([...new Set(ranks)].sort((a, b) => a - b));
    const kinds = CLASSES.map(({ kind }) => kind);
    expect(kinds.lastIndexOf('sleeping')).toBeLessThan(kinds.indexOf('spinning'));
  });

  it('gives each class a name of its own', () => {
    expect(new Set(CLASSES.map(({ name }) => name)).size).toBe(CLASSES.length);
  });

  it('allows all classes at once, taken in the order of the table', () => {
    run(...CLASSES);
  });

  it('catches each pair that is taken the wrong way round', () => {
    for (const [i, first] of CLASSES.entries())
      for (const second of CLASSES.slice(0, i)) {
        const error = bugOf(() => run(first, second));
        expect(error.message).toBe('lock order violated');
        expect(error.details).toMatchObject({ acquires: second.name, holds: first.name, task: 'a' });
      }
  });

  it('looks at all locks that are held, not only at the last', () => {
    expect(bugOf(() => run(LOCKS.mmap_lock, LOCKS.anon_vma_rwsem, LOCKS.folio_lock)).details).toMatchObject({
      acquires: LOCKS.folio_lock.name,
      holds: LOCKS.anon_vma_rwsem.name,
    });
  });

  it('catches two locks of one class, unless the lock that the table names is held', () => {
    for (const lockClass of CLASSES) {
      const nestsInItself = lockClass.nestsUnder === lockClass.name || lockClass.nestsById;
      if (nestsInItself) run(lockClass, lockClass);
      else expect(bugOf(() => run(lockClass, lockClass)).details).toMatchObject({ same: false });
      const guard = CLASSES.find(({ name }) => name === lockClass.nestsUnder);
      if (guard !== undefined) run(guard, lockClass, lockClass, lockClass);
      else expect(lockClass.nestsUnder).toBeNull();
    }
  });

  it('lets only mm_take_all_locks hold many rmap locks, and only a holder of mmap_lock many VMA locks', () => {
    expect(LOCKS.anon_vma_rwsem.nestsUnder).toBe(LOCKS.mm_all_locks_mutex.name);
    expect(LOCKS.i_mmap_rwsem.nestsUnder).toBe(LOCKS.mm_all_locks_mutex.name);
    expect(LOCKS.vma_lock.nestsUnder).toBe(LOCKS.mmap_lock.name);
    bugOf(() => run(LOCKS.mmap_lock, LOCKS.anon_vma_rwsem, LOCKS.anon_vma_rwsem));
  });

  it('catches two page table locks that are not taken in the order of their ids', () => {
    const { page_table_lock: table } = LOCKS;
    const backwards = function* (sched: Scheduler): Steps {
      const [first, second] = [new Mutex(sched, table), new Mutex(sched, table)];
      yield* second.lock();
      yield* first.lock();
    };
    const { details } = bugOf(() => runTasks({ a: backwards }));
    expect(details).toMatchObject({ acquires: table.name, holds: table.name, same: false });
  });

  it('catches a lock that is taken twice, also where others of its class may be', () => {
    const twice = function* (sched: Scheduler): Steps {
      yield* new Mutex(sched, LOCKS.mmap_lock).lock();
      const lock = new Mutex(sched, LOCKS.vma_lock);
      yield* lock.lock();
      yield* lock.lock();
    };
    expect(bugOf(() => runTasks({ a: twice })).details).toMatchObject({ same: true });
  });

  it('exempts trylock, which cannot deadlock, but counts what it took', () => {
    runTasks({
      *a(sched) {
        const outer = new Mutex(sched, LOCKS.zone_lock);
        const inner = new Mutex(sched, LOCKS.lru_lock);
        yield* outer.lock();
        expect(yield* inner.tryLock()).toBe(true);
        yield* outer.unlock();
        expect(bugOf(() => new Mutex(sched, LOCKS.swap_lock).lock().next()).details).toMatchObject({
          holds: LOCKS.lru_lock.name,
        });
        yield* inner.unlock();
      },
    });
  });

  it('allows any order of release', () => {
    runTasks({
      *a(sched) {
        const outer = new Mutex(sched, LOCKS.lru_lock);
        const inner = new Mutex(sched, LOCKS.zone_lock);
        yield* outer.lock();
        yield* inner.lock();
        yield* outer.unlock();
        expect(sched.current.held).toEqual([inner]);
        yield* inner.unlock();
        expect(sched.current.atomicDepth).toBe(0);
      },
    });
  });
});
