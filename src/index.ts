// The public API: labs for tests (lab.ts), exploration (exploration.ts), what a scenario's tasks call (kernel.ts), and the
// parts that these are made of, for what they have no words for.
//
//   const lab = new Lab({ guest: source, ram: '4M', hostRam: '512K' });
//   lab.run({ instructions: 1000 });
//   lab.pageOut();
//   expect(lab).toHaveNoStaleTranslation();          // import 'umbra/vitest'
//
// Nothing here reads a clock or waits but explore() and what comes from platform/. Throws InputError, AssemblerError,
// FileError, TraceError and LoadError for what a user can get wrong; everything that a guest does is a value.

export {
  type Assembled,
  type AssembleOptions,
  AssemblerError,
  assemble,
  type Diagnostic,
} from './asm/index.ts';
export { type Exploration, type ExploreOptions, explore } from './exploration.ts';
export * from './kernel.ts';
export { BrokenInvariant, Lab, type LabOptions, type Size } from './lab.ts';
export { LoadError, type SourceEdit } from './loader/index.ts';
export {
  type CheckMode,
  createHost,
  createMachine,
  type HostConfig,
  MACHINE_DEFAULTS,
  Machine,
  type MachineConfig,
  type MachineStatistics,
  type Progress,
  type Violation,
} from './machine.ts';
export {
  Digest,
  FileError,
  OutputFile,
  openSwapFile,
  SwapFile,
  type SwapFileOptions,
  sliceTimer,
  turnEventLoop,
} from './platform/index.ts';
export {
  decodeRecord,
  EVENT_NAMES,
  EVENTS,
  type EventName,
  printEvent,
  type RecordOf,
  readTraceDat,
  SINKS,
  type Sink,
  selectEvents,
  TaskNames,
  TraceError,
  type TraceFormat,
  type TraceRecord,
  TraceRing,
  toJsonLine,
  toRecord,
} from './trace/index.ts';
export {
  type ElfImage,
  InputError,
  parseScript,
  readProgram,
  ScriptError,
  ScriptRunner,
  type Step,
  type StopRecord,
} from './vmm/index.ts';
