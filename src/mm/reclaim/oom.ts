// The OOM killer and its reaper (mm/oom_kill.c).
//
// The allocator comes here when reclaim makes no progress, and memcgCharge.ts when a memory cgroup is at its limit. The
// address space that has most, of all or of the cgroup, is killed: its tasks get
// -ENOMEM from now on and shall exit; the reaper takes its memory away without waiting for them.
//
// Invariants: at most one victim is being dealt with at a time. A reaped mm is unstable: faults on it fail rather than
// find zeros. The reaper never sleeps inside a notifier: start is non-blockable, and a range whose start fails is left
// alone (reference table row 3, rule 6).

import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStartNonblock,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Scheduler, type Steps, WaitQueue } from '../../sched/index.ts';
import type { Host } from '../host.ts';
import type { MemCgroup } from '../memcg/memcontrol.ts';
import { MmuGather } from '../pagetable/mmuGather.ts';
import { zapPageRange } from '../pagetable/zap.ts';
import { scheduleTimeout } from '../timeout.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_SHARED } from '../vma/vmFlags.ts';

const MAX_OOM_REAP_RETRIES = 10;
/** HZ/10 in ns of virtual time. */
const REAP_RETRY_DELAY = 100_000_000;

export class OomKiller {
  readonly #wait: WaitQueue;
  readonly #toReap: Mm[] = [];

  constructor(sched: Scheduler) {
    this.#wait = new WaitQueue(sched, 'oom_reaper');
  }

  /**
   * out_of_memory(), of the host or of a memory cgroup: true when there will be memory, so that waiting makes sense; false
   * when nobody is left to kill.
   */
  outOfMemory(host: Host, memcg: MemCgroup | null = null): boolean {
    const candidates = host.mms.filter((mm) => !mm.oomSkip && (memcg === null || mm.memcg === memcg));
    if (candidates.some((mm) => mm.killed)) return true;
    const victim = candidates.reduce<Mm | null>(
      (worst, mm) => (worst === null || badness(mm) > badness(worst) ? mm : worst),
      null,
    );
    if (victim === null) return false;
    this.#kill(host, victim);
    return true;
  }

  /** oom_kill_process(). */
  #kill(host: Host, victim: Mm): void {
    victim.killed = true;
    victim.grab();
    host.vmstat.oom_kill++;
    if (victim.memcg !== null) victim.memcg.events.oom_kill++;
    host.trace.mark_victim?.(victim.id);
    this.#toReap.push(victim);
    this.#wait.wakeAll();
  }

  /** oom_reaper(): the body of the task. */
  *run(host: Host): Steps {
    for (;;) {
      yield* this.#wait.until(() => this.#toReap.length > 0);
      const mm = this.#toReap.shift()!;
      for (let attempt = 0; attempt < MAX_OOM_REAP_RETRIES && !(yield* reap(mm)); attempt++)
        yield* scheduleTimeout(host.sched, REAP_RETRY_DELAY);
      mm.oomSkip = true;
      yield* mm.drop();
    }
  }
}

/** oom_badness(): what would come free. */
const badness = (mm: Mm): number =>
  mm.anonPages + mm.filePages + mm.shmemPages + mm.swapEntries + mm.pageTables;

/** oom_reap_task_mm(): false to try again later. */
function* reap(mm: Mm): Steps<boolean> {
  const { locks } = mm.host;
  if (!(yield* locks.mmapReadTrylock(mm))) return false;
  let reaped = true;
  if (!mm.oomSkip) {
    mm.unstable = true;
    if (points.on) yield at.list(mm.vmas.id);
    // From the end: who exits takes it down from the beginning.
    for (const vma of [...mm.vmas.all].reverse()) {
      // What is shared stays in memory, whoever unmaps it.
      const isShared = vma.file !== null && (vma.flags & VM_SHARED) !== 0;
      if (!isShared) reaped = (yield* reapVma(vma)) && reaped;
    }
  }
  yield* locks.mmapReadUnlock(mm);
  return reaped;
}

/** One round of __oom_reap_task_mm(). */
function* reapVma(vma: Vma): Steps<boolean> {
  const { mm, start, end } = vma;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.UNMAP, mm, start, end);
  if (range !== null && (yield* mmuNotifierInvalidateRangeStartNonblock(range)) !== 0) return false;
  const gather = new MmuGather(mm);
  yield* zapPageRange(gather, vma, start, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  yield* gather.finish();
  return true;
}
