// The C types of trace fields: size, sign and alignment, as the format files of the kernel's tracefs state them.
//
// events/ writes them, the trace.dat sink lays records out by them and the reader takes them back.

interface CLayout {
  /** Bytes; also the alignment of a scalar. */
  readonly size: number;
  readonly signed: boolean;
}

const signed = (size: number): CLayout => ({ size, signed: true });
const unsigned = (size: number): CLayout => ({ size, signed: false });

export const C_TYPES = {
  bool: unsigned(1),
  'signed char': signed(1),
  u8: unsigned(1),
  __u8: unsigned(1),
  int: signed(4),
  pid_t: signed(4),
  'unsigned int': unsigned(4),
  u32: unsigned(4),
  __u32: unsigned(4),
  'enum migrate_mode': unsigned(4),
  long: signed(8),
  'unsigned long': unsigned(8),
  u64: unsigned(8),
  __u64: unsigned(8),
  gfn_t: unsigned(8),
  gpa_t: unsigned(8),
  'u64 *': unsigned(8),
  'struct mm_struct *': unsigned(8),
  'void *': unsigned(8),
} as const satisfies Record<string, CLayout>;

export type CType = keyof typeof C_TYPES;

/** TASK_COMM_LEN: the NUL at the end included. */
export const COMM_BYTES = 16;
