// The face of hw/memory: the host's physical memory.

export {
  type CodeWriteHook,
  Fact,
  type FactBit,
  PhysicalMemory,
  type PhysicalMemoryOptions,
  POISON_BYTE,
} from './physicalMemory.ts';
