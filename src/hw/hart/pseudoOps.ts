// Pseudo-operations: what the interpreter's decoded pages hold besides the instructions of hw/isa.
//
// codeCache.ts writes them, interpret.ts executes them; they never retire.
//
// Invariant: their ids lie above OP_COUNT, so that no instruction has them.

import { Op } from '../isa/index.ts';

/** Look the page of pc up again: the end of a page, or after an instruction that crossed it. */
export const OP_REFETCH = 254;
/** A 4-byte instruction of which the page holds only the first half. */
export const OP_CROSSING = 255;

/** A decoded word without effect, less its length. */
export const NOP_WORD = Op.fence;

/** Instructions that only write rd: all from lui to remuw that neither jump nor touch memory. */
export const isPureOp = (op: number): boolean =>
  op === Op.lui || op === Op.auipc || (op >= Op.addi && op <= Op.remuw);
