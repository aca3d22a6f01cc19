// A hart under exploration: the contents of guest memory are told of each instruction that it finishes, its TLB is looked
// at before it makes one, a kick is on its way until the hart looks for it, and it is known whether its vCPU has looked at
// its requests since it is in IN_GUEST_MODE.
//
// Who is kicked before he has looked is still at the door: he sees the request, and flushes before the hart runs. Who is
// kicked afterwards is as good as in the guest. The mode alone, EXITING_GUEST_MODE, tells neither.
//
// world.ts makes one for each hart; hardware.ts lets it go on before the kick arrives. Nothing here is in the undo log:
// begin() is called before each run.

import { Exit, type ExitReason, type Hart } from '../hw/hart/index.ts';
import { VcpuMode } from '../kvm/internals.ts';
import type { Task } from '../sched/index.ts';
import { fromWords } from '../units.ts';
import { brokenTlbEntry } from './translations.ts';
import type { World } from './world.ts';

export class FollowedHart {
  /** The thread of its vCPU; null: it has nothing to run. */
  thread: Task | null = null;
  /** A kick is on its way, and the hart has not noticed it. */
  isKicked = false;
  /** The vCPU has looked at its requests and not left since: what is requested now it learns by its kick. */
  isInGuest = false;
  /** The steps that the thread had taken with the one that set the mode; -1: it is OUTSIDE_GUEST_MODE. */
  #atDoor = -1;
  readonly #world: World;
  readonly #hart: Hart;
  readonly #run: Hart['run'];

  constructor(world: World, hart: Hart) {
    this.#world = world;
    this.#hart = hart;
    this.#run = hart.run.bind(hart);
    const kick = hart.kick.bind(hart);
    hart.kick = () => {
      this.isKicked = true;
    };
    hart.run = (budget) => {
      if (this.isKicked) kick();
      this.isKicked = false;
      return this.execute(budget);
    };
    const emulate = hart.emulateStore.bind(hart);
    hart.emulateStore = (frame) => {
      world.walked();
      world.contents.before(hart);
      emulate(frame);
      world.contents.after(hart);
    };
  }

  begin(thread: Task | null): void {
    this.thread = thread;
    this.isKicked = false;
    this.isInGuest = false;
    this.#atDoor = -1;
  }

  /** Somebody has taken a step. True: by it the vCPU has come to be in the guest. */
  stepped(): boolean {
    const wasInGuest = this.isInGuest;
    const steps = this.thread?.steps ?? 0;
    const mode = this.#world.vcpuOf(this.#hart.id)?.mode ?? VcpuMode.outsideGuest;
    if (mode === VcpuMode.outsideGuest) this.#atDoor = -1;
    else if (this.#atDoor < 0) this.#atDoor = steps;
    this.isInGuest = this.#atDoor >= 0 && steps > this.#atDoor;
    return this.isInGuest && !wasInGuest;
  }

  /** Runs for at most `budget` instructions, whatever is on its way to the hart. */
  execute(budget: number): ExitReason {
    const { contents, oracle } = this.#world;
    this.#world.walked();
    contents.before(this.#hart);
    const stale = brokenTlbEntry(this.#world, this.#hart.id);
    const reason = this.#run(budget);
    if (stale !== null && reason !== Exit.kick) oracle.report(stale.invariant, stale.message);
    contents.after(this.#hart);
    return reason;
  }

  /** What its registers hold, as addresses. */
  pointers(): number[] {
    const { block } = this.#hart;
    return Array.from({ length: 31 }, (_, x) => fromWords(block[2 * x + 2]!, block[2 * x + 3]!));
  }
}
