// Plays scripts on one simulated host, as it was when the answers were recorded: 64 MiB of swap, one CPU.

import { createHost } from '../../../src/machine.ts';
import { MemorySwapDevice } from '../../../src/mm/index.ts';
import { bug } from '../../../src/units.ts';
import { parseScript, ScriptRunner } from '../../../src/vmm/index.ts';

const SWAP_SLOTS = 16384;

/**
 * What a script is answered, one line of JSON for each operation. A bug when it does not leave the host as it found it.
 */
export type Play = (script: string, name: string) => string[];

export function makePlay(): Play {
  const host = createHost({
    hostRamBytes: 64 * 2 ** 20,
    swap: new MemorySwapDevice(SWAP_SLOTS + 1),
    cpus: 1,
    seed: 1,
  });
  return (script, name) => {
    const runner = new ScriptRunner(host);
    const records = parseScript(script, name).map((step) => runner.step(step));
    runner.close();
    const { zone, committedAs, swap } = host;
    const left = {
      pages: zone.managedPages - zone.freePages,
      committedAs,
      slots: SWAP_SLOTS - swap!.freeSlots,
    };
    if (left.pages + left.committedAs + left.slots !== 0) bug(`${name} left something behind`, left);
    return records;
  };
}
