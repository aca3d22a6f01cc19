// Building shadow tables: finding or making a shadow page, linking it, installing a leaf (kvm_mmu_get_shadow_page,
// __link_shadow_page, mmu_set_spte, make_spte).
//
// pageFault.ts calls it with mmu_lock held and the frames that it may need in the vCPU's cache, so nothing here sleeps.
//
// Invariants: a page with a guest table behind it is write-protected before anything read from that table is installed
// below it; a writable spte never maps a write-tracked gfn, nor a synced guest table.
// Locks: mmu_lock for write everywhere.

import { isPresent, PTE_A, PTE_D, PTE_R, PTE_U, PTE_W, PTE_X, ptePfn } from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { bug, type Gfn, type Hpa, type Pfn, pfn as toPfn } from '../units.ts';
import type { Kvm } from './kvm.ts';
import { gfnToMemslot, hugeGfnOf, type Memslot } from './memslot.ts';
import { makeMmuPagesAvailable } from './recycle.ts';
import { kvmFlushRemoteTlbs } from './requests.ts';
import { type Role, ShadowPage, sameRole, shadowAccess } from './shadowPage.ts';
import {
  framesAt,
  isShadowLeaf,
  makeLeafSpte,
  makeNonleafSpte,
  readSpte,
  setSpte,
  usedSpte,
} from './spte.ts';
import { childOf, isPlainMemory, mayBeWritable, updateSpte } from './spteChange.ts';
import { syncPage } from './sync.ts';
import { roleWord } from './traceTerms.ts';
import { setUnsyncChild } from './unsyncTree.ts';
import type { Vcpu } from './vcpuState.ts';
import { accountShadowed } from './writeTrack.ts';
import { commitZapPage, prepareZapPage, unmapGfnRange, zapPte } from './zap.ts';

/** More sptes than this on one gfn: the rmap is zapped instead of growing (RMAP_RECYCLE_THRESHOLD). */
const RMAP_RECYCLE_THRESHOLD = 1000;

/** How a page fault ended; Linux's RET_PF_*, and noSpace: -ENOSPC. */
export const RetPf = { retry: 0, fixed: 1, spurious: 2, emulate: 3, noSpace: 4 } as const;
export type RetPf = (typeof RetPf)[keyof typeof RetPf];

/**
 * kvm_mmu_get_shadow_page(). `created` pages come from the vCPU's cache, and may have made older ones give way. Null:
 * there is no room for one (-ENOSPC).
 */
export function* getShadowPage(vcpu: Vcpu, gfn: Gfn, role: Role): Steps<ShadowPage | null> {
  const { kvm } = vcpu;
  const found = yield* findShadowPage(kvm, gfn, role);
  const sp = found ?? (yield* allocShadowPage(vcpu, gfn, role));
  if (sp === null) return null;
  kvm.trace.kvm_mmu_get_page?.(
    0,
    sp.gfn,
    roleWord(sp),
    sp.rootCount,
    Number(sp.unsync),
    Number(found === null),
    sp.spt,
  );
  return sp;
}

/** kvm_mmu_find_shadow_page(): an unsync page is synced before it is used anew, since no fence is due for that. */
function* findShadowPage(kvm: Kvm, gfn: Gfn, role: Role): Steps<ShadowPage | null> {
  const bucket = kvm.pagesOfGfn.get(gfn);
  if (bucket === undefined) return null;
  const { stats } = kvm;
  stats.max_mmu_page_hash_collisions = Math.max(stats.max_mmu_page_hash_collisions, bucket.length - 1);
  const invalidList: ShadowPage[] = [];
  let found: ShadowPage | null = null;
  for (const sp of [...bucket]) {
    if (sameRole(sp.role, role)) found = sp;
    else if (role.level > 0 && !role.direct && sp.unsync) yield* prepareZapPage(kvm, sp, invalidList);
  }
  if (found?.unsync && !(yield* syncPage(kvm, found, invalidList))) found = null;
  yield* commitZapPage(kvm, invalidList);
  return found;
}

function* allocShadowPage(vcpu: Vcpu, gfn: Gfn, role: Role): Steps<ShadowPage | null> {
  const { kvm } = vcpu;
  if (role.wide) bug('wide roots are allocated by roots.ts');
  if (!(yield* makeMmuPagesAvailable(kvm))) return null;
  const spt = vcpu.shadowPageCache.pop() ?? bug('the shadow page cache is empty', { vcpu: vcpu.index });
  return yield* insertShadowPage(kvm, new ShadowPage(gfn, role, spt));
}

/** Makes `sp`, whose frames are zeroed, known and its guest table write-protected. */
export function* insertShadowPage(kvm: Kvm, sp: ShadowPage): Steps<ShadowPage> {
  kvm.mmuLock.assertHeldWrite();
  kvm.stats.mmu_cache_miss++;
  kvm.usedMmuPages += sp.frames;
  kvm.shadowPages.add(sp);
  for (let i = 0; i < sp.frames; i++) kvm.pageOfFrame.set(toPfn(sp.spt + i), sp);
  const bucket = kvm.pagesOfGfn.get(sp.gfn);
  if (bucket === undefined) kvm.pagesOfGfn.set(sp.gfn, [sp]);
  else bucket.push(sp);
  if (!sp.role.direct) yield* accountShadowed(kvm, sp);
  return sp;
}

/** __link_shadow_page(): `sptep` points to `sp` afterwards. */
export function* linkShadowPage(kvm: Kvm, parent: ShadowPage, sptep: Hpa, sp: ShadowPage): Steps {
  if (yield* zapPte(kvm, parent, sptep)) yield* kvmFlushRemoteTlbs(kvm);
  if (points.on) yield at.spte(sptep);
  setSpte(kvm.memory, sptep, makeNonleafSpte(sp.spt));
  sp.parents.add(sptep);
  if (sp.unsync || sp.unsyncChildren > 0) setUnsyncChild(kvm, sptep);
}

/**
 * The child behind `sptep` if it is already the one that is wanted (kvm_mmu_get_child_sp, -EEXIST). Preceded by
 * at.spte(sptep).
 */
export function linkedChild(kvm: Kvm, sptep: Hpa, gfn: Gfn, role: Role): ShadowPage | null {
  const spte = readSpte(kvm.memory, sptep);
  if (!isPresent(spte) || isShadowLeaf(spte)) return null;
  const child = childOf(kvm, spte);
  return child.gfn === gfn && sameRole(child.role, role) ? child : null;
}

/** A page that is about to be mapped. */
export interface Leaf {
  /** 0 maps 4 KiB, 1 maps 2 MiB; gfn and pfn are the first ones of it. */
  readonly level: number;
  readonly gfn: Gfn;
  readonly pfn: Pfn;
  /** R, W, X, U as the guest grants them; ACCESS_ALL in a direct table. */
  readonly access: number;
  /** The host's PTE permits writing, and so does the memslot. */
  readonly hostWritable: boolean;
  /** The fault is of a store. */
  readonly write: boolean;
}

/** mmu_set_spte(): installs `leaf` at `sptep` of a page of its level. */
export function* setLeafSpte(kvm: Kvm, sp: ShadowPage, sptep: Hpa, leaf: Leaf): Steps<RetPf> {
  kvm.mmuLock.assertHeldWrite();
  if (points.on) yield at.list(kvm.id);
  const slot = gfnToMemslot(kvm, leaf.gfn) ?? bug('mapping a gfn without a memslot', { gfn: leaf.gfn });
  const { hostWritable } = leaf;
  const access = shadowAccess(sp.role, leaf.gfn, leaf.access);
  if (access === 0) bug('the PMP permits no spte here', { gfn: leaf.gfn });
  const wanted = hostWritable && (access & PTE_W) !== 0;
  // No gfn of a huge leaf is a guest table, or tracked.
  const isPlain = leaf.level > 0 || isPlainMemory(kvm, slot, leaf.gfn);
  const mmuWritable = wanted && (isPlain || (yield* mayBeWritable(kvm, slot, leaf.gfn, true)));
  const spte = makeLeafSpte(leaf.pfn, access, hostWritable, mmuWritable);
  const changed = yield* installLeaf(kvm, slot, sp, sptep, leaf, usedSpte(spte, leaf.write));
  if (leaf.write && wanted && !mmuWritable) return RetPf.emulate;
  return changed ? RetPf.fixed : RetPf.spurious;
}

/** True when the entry changed. */
function* installLeaf(
  kvm: Kvm,
  slot: Memslot,
  sp: ShadowPage,
  sptep: Hpa,
  leaf: Leaf,
  spte: number,
): Steps<boolean> {
  const index = sp.indexOf(sptep);
  if (points.on) yield at.spte(sptep);
  const old = readSpte(kvm.memory, sptep);
  const sameTarget = isPresent(old) && ptePfn(old) === leaf.pfn && sp.gfnOf(index) === leaf.gfn;
  if (sameTarget && ((old ^ spte) & ~(PTE_A | PTE_D)) === 0) return false;
  if (isPresent(old) && !sameTarget) {
    // A leaf, or in the place of a huge one the table that has its pages so far.
    yield* zapPte(kvm, sp, sptep);
    yield* kvmFlushRemoteTlbs(kvm);
  }
  sp.setTranslation(index, leaf.gfn, leaf.access);
  kvm.trace.kvm_mmu_set_spte?.(
    leaf.gfn,
    spte >>> 0,
    sptep,
    sp.role.level + 1,
    Number((spte & PTE_R) !== 0),
    Number((spte & PTE_X) !== 0),
    Number((spte & PTE_U) !== 0),
  );
  if (sameTarget) {
    yield* updateSpte(kvm, sptep, spte);
    return true;
  }
  if (points.on) yield at.spte(sptep);
  setSpte(kvm.memory, sptep, spte);
  if (rmapAdd(kvm, slot, leaf, sptep) > RMAP_RECYCLE_THRESHOLD) yield* recycleRmap(kvm, slot, leaf);
  return true;
}

/** rmap_add(): the number of sptes that now map the leaf's gfn. */
function rmapAdd(kvm: Kvm, slot: Memslot, { level, gfn }: Leaf, sptep: Hpa): number {
  const { stats } = kvm;
  if (level === 0) stats.pages_4k++;
  else stats.pages_2m++;
  const size = level === 0 ? slot.rmap.add(gfn, sptep) : slot.hugeRmap.add(hugeGfnOf(gfn), sptep);
  stats.max_mmu_rmap_size = Math.max(stats.max_mmu_rmap_size, size);
  return size;
}

function* recycleRmap(kvm: Kvm, slot: Memslot, { level, gfn }: Leaf): Steps {
  const endGfn = (gfn + framesAt(level)) as Gfn;
  if (yield* unmapGfnRange(kvm, slot, gfn, endGfn)) yield* kvmFlushRemoteTlbs(kvm);
}
