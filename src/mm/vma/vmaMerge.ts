// Merging of VMAs (mm/vma.c of 6.18: vma_merge_new_range, vma_merge_existing_range, vma_modify).
//
// mmap, mremap and brk-like growth merge a range that is new; mprotect, mlock and madvise merge a range whose flags they
// change, or split it off when it fits neither neighbour.
//
// Invariant: VMAs merge only if they describe one object with the same flags and indices that continue, and their
// anon_vmas agree. One that fork has touched (several anon_vmas in its chain) hands its anon_vma on to nobody: its
// lock is shared by a family. Locks: as vmaEdit.ts.

import { at, points, type Steps } from '../../sched/index.ts';
import { type Hva, PAGE_SIZE } from '../../units.ts';
import type { File } from '../filemap/file.ts';
import { type AnonVma, anonVmaClone } from '../rmap/anonVma.ts';
import type { Userfaultfd } from '../userfaultfd/userfaultfd.ts';
import type { Mm } from './mmStruct.ts';
import type { Reshaped, Vma } from './vma.ts';
import { reshapeVmas, splitVma } from './vmaEdit.ts';
import { VM_SOFTDIRTY } from './vmFlags.ts';

/** What a range is to be (struct vma_merge_struct). */
export interface MergeRequest {
  readonly mm: Mm;
  readonly start: Hva;
  readonly end: Hva;
  readonly flags: number;
  readonly pgoff: number;
  readonly file: File | null;
  /** Of the VMA that the range belongs to now, or is copied from. */
  readonly anonVma: AnonVma | null;
  /** The VMA that the range belongs to now; null: it is new. */
  readonly middle: Vma | null;
  /** The VMA that a new range is a copy of (mremap). */
  readonly copiedFrom: Vma | null;
  readonly prev: Vma | null;
  readonly next: Vma | null;
  /** What its faults are to be handled by; none if it is left out. */
  readonly userfaultfd?: Userfaultfd | null;
}

/** vma_had_uncowed_parents(). */
const isForked = ({ anonVma, anonVmaChain }: Vma): boolean => anonVma !== null && anonVmaChain.length !== 1;

/** is_mergeable_vma() and is_mergeable_anon_vma(). */
function isMergeable(request: MergeRequest, target: Vma): boolean {
  const { flags, file, anonVma, userfaultfd = null } = request;
  const source = request.middle ?? request.copiedFrom;
  if (((target.flags ^ flags) & ~VM_SOFTDIRTY) !== 0 || target.file !== file) return false;
  if (target.userfaultfd !== userfaultfd) return false;
  if (target.anonVma === null && anonVma !== null) return source === null || !isForked(source);
  if (target.anonVma !== null && anonVma === null) return !isForked(target);
  return target.anonVma === anonVma;
}

/** can_vma_merge_left(). */
function canMergeLeft(request: MergeRequest): boolean {
  const { prev, start, pgoff } = request;
  return (
    prev !== null && prev.end === start && isMergeable(request, prev) && prev.pgoff + prev.pages === pgoff
  );
}

/** can_vma_merge_right(): also that the outer two agree with each other, if all three become one. */
function canMergeRight(request: MergeRequest, alsoLeft: boolean): boolean {
  const { prev, next, end, pgoff } = request;
  if (next === null || next.start !== end || !isMergeable(request, next)) return false;
  if (next.pgoff !== pgoff + pagesOf(request)) return false;
  if (!alsoLeft || prev === null) return true;
  return prev.anonVma === null || next.anonVma === null || prev.anonVma === next.anonVma;
}

const pagesOf = ({ start, end }: MergeRequest): number => (end - start) / PAGE_SIZE;

/** dup_anon_vma(): `to` is going to map what `from` maps. */
function* dupAnonVma(to: Vma, from: Vma): Steps {
  if (from.anonVma === null || to.anonVma !== null) return;
  to.anonVma = from.anonVma;
  yield* anonVmaClone(to.mm.host, to, from);
}

/** vma_merge_new_range(): the neighbour that was expanded over the range, or null. */
export function* mergeNewRange(request: MergeRequest): Steps<Vma | null> {
  const { mm, prev, next, start, end, copiedFrom } = request;
  const { locks } = mm.host;
  const left = canMergeLeft(request);
  const right = canMergeRight(request, left);
  if (left && prev !== null) {
    yield* locks.vmaStartWrite(mm, prev);
    if (copiedFrom !== null) yield* dupAnonVma(prev, copiedFrom);
    if (right && next !== null) {
      yield* locks.vmaStartWrite(mm, next);
      yield* dupAnonVma(prev, next);
    }
    const grown = { vma: prev, start: prev.start, end: right && next ? next.end : end, pgoff: prev.pgoff };
    yield* reshapeVmas(mm, [grown], right && next ? [next] : [], null);
    return prev;
  }
  if (!right || next === null) return null;
  yield* locks.vmaStartWrite(mm, next);
  if (copiedFrom !== null) yield* dupAnonVma(next, copiedFrom);
  const grown = { vma: next, start, end: next.end, pgoff: request.pgoff };
  yield* reshapeVmas(mm, [grown], [], null);
  return next;
}

/** vma_merge_existing_range(): the VMA that the range belongs to afterwards, or null when it fits no neighbour. */
function* mergeExistingRange(request: MergeRequest, middle: Vma): Steps<Vma | null> {
  const { mm, start, end, prev, next } = request;
  const { locks } = mm.host;
  const left = start === middle.start && canMergeLeft(request);
  const right = end === middle.end && canMergeRight(request, left);
  if (!left && !right) return null;
  yield* locks.vmaStartWrite(mm, middle);
  if (left) yield* locks.vmaStartWrite(mm, prev!);
  if (right) yield* locks.vmaStartWrite(mm, next!);
  if (left && right) {
    yield* dupAnonVma(prev!, next!.anonVma !== null ? next! : middle);
    const grown = { vma: prev!, start: prev!.start, end: next!.end, pgoff: prev!.pgoff };
    yield* reshapeVmas(mm, [grown], [middle, next!], null);
    return prev;
  }
  if (left) {
    yield* dupAnonVma(prev!, middle);
    const grown = { vma: prev!, start: prev!.start, end, pgoff: prev!.pgoff };
    yield* takeFromMiddle(grown, middle, {
      vma: middle,
      start: end,
      end: middle.end,
      pgoff: middle.indexOf(end),
    });
    return prev;
  }
  yield* dupAnonVma(next!, middle);
  const grown = { vma: next!, start, end: next!.end, pgoff: request.pgoff };
  yield* takeFromMiddle(grown, middle, { vma: middle, start: middle.start, end: start, pgoff: middle.pgoff });
  return next;
}

/** `grown` takes a part of `middle`, of which `rest` is left, perhaps nothing. */
function takeFromMiddle(grown: Reshaped, middle: Vma, rest: Reshaped): Steps {
  if (rest.start === rest.end) return reshapeVmas(middle.mm, [grown], [middle], null);
  return reshapeVmas(middle.mm, [grown, rest], [], null);
}

/**
 * vma_modify_flags(): [start, end) lies in `vma` and is about to get `flags`, which differ. Merges it with what it
 * then equals, or splits it off. Returns the VMA that holds the range now, whose flags the caller sets; -ENOMEM: too
 * many VMAs.
 */
export function* vmaModifyFlags(
  vma: Vma,
  start: Hva,
  end: Hva,
  flags: number,
  userfaultfd: Userfaultfd | null = vma.userfaultfd,
): Steps<Vma | number> {
  const { mm, file, anonVma } = vma;
  if (points.on) yield at.list(mm.vmas.id);
  const prev = mm.vmas.previous(vma.start);
  const next = mm.vmas.findFrom(vma.end);
  const pgoff = vma.indexOf(start);
  const range = { mm, start, end, flags, pgoff, file, anonVma, userfaultfd };
  const request = { ...range, middle: vma, copiedFrom: null, prev, next };
  const merged = yield* mergeExistingRange(request, vma);
  if (merged !== null) return merged;
  if (vma.start < start) {
    const error = yield* splitVma(mm, vma, start, true);
    if (error !== 0) return error;
  }
  if (vma.end > end) {
    const error = yield* splitVma(mm, vma, end, false);
    if (error !== 0) return error;
  }
  return vma;
}
