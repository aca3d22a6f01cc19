// What the oracle and the tests see of mm/ beyond its face.

export { FrameKind } from './frames.ts';
export { forEachPte, inspectPage, inspectPte, inspectPtep, touchForStore } from './inspect.ts';
export { isPresentPte, isSwapPte, swapPteSlot } from './pte.ts';
