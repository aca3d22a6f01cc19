// Code that keeps and breaks the rule about points; points.test.ts demands that exactly the marked lines are found.

import type { Vcpu } from '../../src/kvm/index.ts';
import type { Host } from '../../src/mm/index.ts';
import { at, points, RESCHED, type Steps } from '../../src/sched/index.ts';
import type { Pfn } from '../../src/units.ts';

const PG_LOCKED = 1;

function* stop(): Steps {
  yield RESCHED;
}

/** Preceded by at.page(pfn). */
function* dirtyAndStop(host: Host, pfn: Pfn): Steps {
  host.frames.set(pfn, PG_LOCKED);
  yield* stop();
}

const dirty = (host: Host, pfn: Pfn): void => host.frames.set(pfn, PG_LOCKED);

export function* right(host: Host, pfn: Pfn, pfns: readonly Pfn[]): Steps {
  const { frames } = host;
  if (points.on) yield at.page(pfn);
  frames.get(pfn);
  if (frames.test(pfn, PG_LOCKED)) dirty(host, pfn);
  yield* stop();
  if (points.on) yield at.page(pfn);
  yield* dirtyAndStop(host, pfn);
  for (const other of pfns) {
    if (points.on) yield at.page(other);
    if (frames.putTestZero(other)) break;
  }
  const { lruvec } = host;
  if (points.on) yield at.lru(lruvec.lock.id);
  host.lruvec.remove(pfn, 0);
}

export function* rightInLoop(host: Host, pfn: Pfn): Steps {
  if (points.on) yield at.page(pfn);
  while (host.frames.test(pfn, PG_LOCKED)) {
    yield* stop();
    if (points.on) yield at.page(pfn);
  }
  host.frames.clear(pfn, PG_LOCKED);
}

export function* noPoint(host: Host, pfn: Pfn): Steps {
  host.frames.get(pfn); // wrong
  yield* stop();
}

export function* ofAnother(host: Host, pfn: Pfn, other: Pfn): Steps {
  if (points.on) yield at.page(other);
  host.frames.get(pfn); // wrong
  if (points.on) yield at.slot(pfn);
  host.frames.get(pfn); // wrong
}

export function* afterStop(host: Host, pfn: Pfn): Steps {
  if (points.on) yield at.page(pfn);
  yield* stop();
  host.frames.get(pfn); // wrong
}

export function* onOneWayOnly(host: Host, pfn: Pfn): Steps {
  if (points.on) yield at.page(pfn);
  if (host.frames.test(pfn, PG_LOCKED)) yield* stop();
  host.frames.get(pfn); // wrong
}

export function* inTheFirstRoundOnly(host: Host, pfn: Pfn): Steps {
  if (points.on) yield at.page(pfn);
  for (let i = 0; i < 2; i++) {
    host.frames.get(pfn); // wrong
    yield* stop();
  }
}

export function* ofTheLastRound(host: Host, pfns: readonly Pfn[]): Steps {
  for (const pfn of pfns) {
    if (host.frames.kind[pfn] === 0) continue; // wrong
    if (points.on) yield at.page(pfn);
    host.frames.get(pfn);
  }
}

export function* ofWhatItWas(host: Host, pfns: Pfn[]): Steps {
  let pfn = pfns[0]!;
  if (points.on) yield at.page(pfn);
  pfn = pfns[1]!;
  host.frames.get(pfn); // wrong
}

export function* throughOthers(host: Host, pfn: Pfn): Steps {
  dirty(host, pfn); // wrong
  yield* dirtyAndStop(host, pfn); // wrong
}

export function* fields(host: Host, pfn: Pfn): Steps {
  host.frames.mapcount[pfn]!++; // wrong
  if (points.on) yield at.page(pfn);
  host.frames.mapcount[pfn]!++;
}

export function* destructured({ kvm }: Vcpu): Steps {
  const { memslots } = kvm; // wrong
  if (points.on) yield at.list(kvm.id);
  if (memslots !== kvm.memslots) return;
  const { memslots: same } = kvm;
  if (same.length > 0) yield* stop();
}

export function* always(host: Host, pfn: Pfn): Steps {
  yield at.page(pfn); // wrong
  if (points.on) yield at.page(pfn);
  host.frames.get(pfn);
}
