// Grants: what a hart may do by itself, without an exit, until it leaves the guest again (fast_pgd_switch, for a hart
// that switches alone).
//
// vcpu.ts grants right before the hart runs, and takes over right after, both without a step between. A satp write needs
// no exit if its root is there and in sync with the hart's fences; sfence.vma needs none while no table is unsync,
// since then what is shadowed follows the guest's tables anyway, and the fence clock has nothing to note.
//
// Invariant: a root is remembered without a reference: it is granted only while it is valid, and referenced as soon as
// the hart has left with it.

import { endGrants, GRANTED_ROOTS, grantFences, grantRoot, NO_ROOT, satpAsid } from '../hw/hart/index.ts';
import { pfnToHpa } from '../units.ts';
import type { ShadowPage } from './shadowPage.ts';
import type { Vcpu } from './vcpuState.ts';

/** What a value of satp stands for. */
export interface KnownRoot {
  readonly lo: number;
  readonly hi: number;
  readonly asid: number;
  readonly root: ShadowPage;
}

/** The present satp stands for `root`. */
export function rememberRoot({ hart, knownRoots }: Vcpu, root: ShadowPage): void {
  const { lo, hi } = hart.satp;
  const old = knownRoots.findIndex((known) => known.lo === lo && known.hi === hi);
  if (old >= 0) knownRoots.splice(old, 1);
  else if (knownRoots.length === GRANTED_ROOTS) knownRoots.shift();
  knownRoots.push({ lo, hi, asid: satpAsid(hart), root });
}

/** What the next run may do. */
export function grant({ hart, kvm, knownRoots, fences, pmpKey }: Vcpu): void {
  if (kvm.mmu === 'tdp') return;
  grantFences(hart, kvm.stats.mmu_unsync === 0 && kvm.syncing === 0);
  let granted = 0;
  for (const { lo, hi, asid, root } of knownRoots) {
    if (root.invalid || root.role.pmp.userKey !== pmpKey || !fences.isInSync(root.gfn, asid)) continue;
    grantRoot(hart, granted++, lo, hi, pfnToHpa(root.spt));
  }
  endGrants(hart, granted);
}

/**
 * The hart has left: where it switched by itself, its root is the vCPU's. Answers the one that is to be released, or
 * null.
 */
export function takeOver(vcpu: Vcpu): ShadowPage | null {
  const { hart, root, knownRoots } = vcpu;
  const { shadowRoot } = hart;
  if (shadowRoot === NO_ROOT || (root !== null && pfnToHpa(root.spt) === shadowRoot)) return null;
  const known = knownRoots.find((each) => !each.root.invalid && pfnToHpa(each.root.spt) === shadowRoot);
  if (known === undefined) return null;
  known.root.rootCount++;
  known.root.writeFloodingCount = 0;
  vcpu.root = known.root;
  return root;
}
