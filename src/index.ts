// The public API: assemble or load a guest, build a machine round it, run it in slices, read what came of it.
//
//   const image = readProgram(assemble(source, { file: 'guest.s' }).elf, 'guest.s', ramBytes);
//   const machine = createMachine({ ...MACHINE_DEFAULTS, image, console: (bytes) => process.stdout.write(bytes) });
//   while (machine.runSlice(sliceTimer()) === 'running') await turnEventLoop();
//
// Nothing here reads a clock or waits but what comes from platform/. Throws InputError, AssemblerError, FileError and
// TraceError for what a user can get wrong; everything that a guest does is a value (Machine.stop,
// Machine.statistics()).

export {
  type Assembled,
  type AssembleOptions,
  AssemblerError,
  assemble,
  type Diagnostic,
} from './asm/index.ts';
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
export { MemorySwapDevice, type SwapDevice, type SwapRequest } from './mm/index.ts';
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
