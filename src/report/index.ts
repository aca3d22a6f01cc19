// The face of report/: a run watched, and the page that shows it.

export { type LaneStep, type LanesFacts, lanesPageOf } from './lanesPage.ts';
export { type PageFacts, pageOf } from './page.ts';
export { type RunRecord, RunRecorder } from './recorder.ts';
