// What the oracle and the tests see of mm/ beyond its face.

export { FrameKind } from './frames.ts';
export { forEachPte, inspectPage, inspectPte, inspectPtep } from './inspect.ts';
