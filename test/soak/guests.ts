// The soak `guests`: every guest with plenty of memory and with almost none, under both MMUs, as its header says; and the
// thrasher with 64 MiB of buffer on a host with 16 MiB, on one hart and on four. 40 cases are all of them once.

import { playGuestCase } from '../guests/matrix.ts';
import type { Soak } from './soak.ts';

export const guests = (): Soak => ({ caseSize: 1, play: playGuestCase });
