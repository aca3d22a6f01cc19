// Regimes: what a cached translation depends on besides its address, interned so that one comparison tells them apart.
//
// A hart asks for the regime of its fetches and of its data accesses whenever privilege, satp, SUM, MXR or MPRV change;
// firstLevel.ts keys its contexts by the pair, secondLevel.ts its entries by the id. The walker takes a regime as it is.
//
// Invariants: at most REGIMES_MAX are interned; a regime that was forgotten or flushed does not get its old id back
// before the second level was emptied, so entries under that id are unreachable.

import { type Stage, SV39, SV39X4, type TranslationMode } from '../sv39/index.ts';
import { Stages } from './layout.ts';
import { permitsOf } from './permits.ts';

export const REGIMES_MAX = 64;
/** Ids are below this, so that second-level keys stay below 2^53. */
const ID_LIMIT = 2 ** 22;

/** The fields by which regimes differ. */
export interface RegimeKey {
  /** Sv39 by `root`; else the address is a guest physical one and goes through `secondStage` alone. */
  readonly paged: boolean;
  /** Root of stage one: a host address (shadow tables) or a guest physical one (tdp); 0 unless paged. */
  readonly root: number;
  /** Address-space identifier; 0 unless paged. */
  readonly asid: number;
  /** Host address of the Sv39x4 root, where stage one is none or lies in guest memory; else 0. */
  readonly secondStage: number;
  readonly user: boolean;
  /** M mode's, where protection of physical memory tells it from S and U; never paged. */
  readonly machine: boolean;
  readonly sum: boolean;
  readonly mxr: boolean;
  readonly setsAccessedDirty: boolean;
  /** What the tables permit is permitted: no PMP has to be asked, at least not for each access. */
  readonly open: boolean;
}

export class Regime implements RegimeKey, TranslationMode {
  readonly paged: boolean;
  readonly stage: Stage;
  readonly root: number;
  readonly asid: number;
  readonly secondStage: number;
  readonly user: boolean;
  readonly machine: boolean;
  readonly sum: boolean;
  readonly mxr: boolean;
  readonly setsAccessedDirty: boolean;
  readonly open: boolean;
  /** The same, for a walk that changes no entry. */
  readonly untouched: TranslationMode;
  /** What its leaves permit (permits.ts). */
  readonly permits: Uint8Array;
  /** Keys the second level. */
  id: number;
  /** Some second-level entry is a fragment of a superpage. */
  fragments = false;
  /** Nothing was put into the second level under this id. */
  isUnused = true;
  /** When it was selected last, as far as the first level does not know (firstLevel.ts). */
  lastUse = 0;

  constructor(key: RegimeKey, id: number) {
    this.paged = key.paged;
    this.stage = key.paged ? SV39 : SV39X4;
    this.root = key.paged ? key.root : key.secondStage;
    this.asid = key.asid;
    this.secondStage = key.secondStage;
    this.user = key.user;
    this.machine = key.machine;
    this.sum = key.sum;
    this.mxr = key.mxr;
    this.setsAccessedDirty = key.setsAccessedDirty;
    this.open = key.open;
    const { stage, root, user, sum, mxr } = this;
    this.untouched = { stage, root, user, sum, mxr, setsAccessedDirty: false };
    this.permits = permitsOf(this.untouched);
    this.id = id;
  }

  /** Which tables its addresses go through. */
  get stages(): number {
    if (!this.paged) return Stages.second;
    return this.secondStage === 0 ? Stages.first : Stages.both;
  }

  matches(key: RegimeKey): boolean {
    return (
      this.root === (key.paged ? key.root : key.secondStage) &&
      this.paged === key.paged &&
      this.user === key.user &&
      this.machine === key.machine &&
      this.sum === key.sum &&
      this.mxr === key.mxr &&
      this.asid === key.asid &&
      this.secondStage === key.secondStage &&
      this.setsAccessedDirty === key.setsAccessedDirty &&
      this.open === key.open
    );
  }
}

/** When regimes were used, by a clock that goes on with each use. */
export interface RegimeUses {
  readonly clock: number;
  lastUse(regime: Regime): number;
}

export class RegimeTable {
  readonly regimes: Regime[] = [];
  /** Empties what is keyed by ids, because they start anew. */
  private readonly onIdsExhausted: () => void;
  private readonly uses: RegimeUses;
  private nextId = 0;

  constructor(onIdsExhausted: () => void, uses: RegimeUses) {
    this.onIdsExhausted = onIdsExhausted;
    this.uses = uses;
  }

  /** The regime of `key`, which is used now; the least recently used one is forgotten when there are too many. */
  intern(key: RegimeKey): Regime {
    const regime = this.find(key) ?? this.add(key);
    regime.lastUse = this.uses.clock;
    return regime;
  }

  /** Makes every second-level entry of the regime unreachable. */
  renew(regime: Regime): void {
    regime.id = this.takeId();
    regime.fragments = false;
    regime.isUnused = true;
  }

  /** Forgets all regimes and starts ids anew; the caller has emptied both levels. */
  clear(): void {
    this.regimes.length = 0;
    this.nextId = 0;
  }

  private find(key: RegimeKey): Regime | undefined {
    for (const regime of this.regimes) if (regime.matches(key)) return regime;
    return undefined;
  }

  private add(key: RegimeKey): Regime {
    const regime = new Regime(key, this.takeId());
    if (this.regimes.length < REGIMES_MAX) this.regimes.push(regime);
    else this.regimes[this.leastRecentlyUsed()] = regime;
    return regime;
  }

  private leastRecentlyUsed(): number {
    const uses = this.regimes.map((regime) => Math.max(regime.lastUse, this.uses.lastUse(regime)));
    return uses.indexOf(Math.min(...uses));
  }

  private takeId(): number {
    if (this.nextId === ID_LIMIT) {
      this.onIdsExhausted();
      this.nextId = 0;
      for (const regime of this.regimes) regime.id = this.nextId++;
    }
    return this.nextId++;
  }
}
