// trace.dat, version 6: what trace-cmd and KernelShark read. The head says how pages, entries and events look and who the
// tasks are; then come the ring buffer pages of each CPU, one CPU after the other.
//
// The pages wait in a spool for each CPU until the last record is there, since the head, which comes first, says where
// they begin. Source: `man trace-cmd.dat.v6`.

import { EVENT, RECORD_WORDS, TIME } from '../ring.ts';
import { layouts, writeRecord } from './datLayout.ts';
import { DatPages, PAGE_BYTES } from './datPages.ts';
import { placeAt, type Sink, type SinkOptions, StrictClock } from './sink.ts';
import { MemorySpool } from './spool.ts';

export const DAT_MAGIC = [0x17, 0x08, 0x44];

const HEADER_PAGE = `	field: u64 timestamp;	offset:0;	size:8;	signed:0;
	field: local_t commit;	offset:8;	size:8;	signed:1;
	field: int overwrite;	offset:8;	size:1;	signed:1;
	field: char data;	offset:16;	size:4080;	signed:0;
`;

const HEADER_EVENT = `# compressed entry header
	type_len    :    5 bits
	time_delta  :   27 bits
	array       :   32 bits

	padding     : type == 29
	time_extend : type == 30
	time_stamp : type == 31
	data max type_len  == 28
`;

export function datSink({ write, tasks, cpus, newSpool = () => new MemorySpool() }: SinkOptions): Sink {
  const clock = new StrictClock();
  const spools = Array.from({ length: cpus }, newSpool);
  const buffers = spools.map((spool) => new DatPages((page) => spool.append(page)));
  const seen = new Set<number>();
  const all = layouts();
  return {
    add(records) {
      for (let at = 0; at < records.length; at += RECORD_WORDS) {
        const layout = all[records[at + EVENT]!]!;
        const { task, cpu } = placeAt(records, at, tasks);
        seen.add(task);
        const buffer = buffers[cpu]!;
        const offset = buffer.add(clock.next(records[at + TIME]!), layout.size);
        writeRecord(buffer.view, offset, layout, records, at, task, tasks);
      }
    },
    end() {
      for (const buffer of buffers) buffer.flush();
      seen.delete(0);
      const comms = [...seen].toSorted((a, b) => a - b).map((id) => `${id} ${tasks.titleOf(id)}\n`);
      write(
        headOf(
          comms.join(''),
          buffers.map(({ count }) => count),
        ),
      );
      for (const spool of spools) spool.drain(write);
    },
  };
}

/** The head, padded to whole pages; the pages of the CPUs follow it. */
function headOf(comms: string, pageCounts: readonly number[]): Uint8Array {
  const head = new HeadWriter();
  head.bytes(DAT_MAGIC).text('tracing').string('6').bytes([0, 8]).u32(PAGE_BYTES);
  head.string('header_page').sized(HEADER_PAGE).string('header_event').sized(HEADER_EVENT);
  head.u32(0);
  addSystems(head);
  // No kernel symbols and no printk formats.
  head.u32(0).u32(0);
  head.sized(comms).u32(pageCounts.length);
  head.string('options  ').bytes([0, 0]).string('flyrecord');
  let offset = Math.ceil((head.length + 16 * pageCounts.length) / PAGE_BYTES) * PAGE_BYTES;
  const padded = offset;
  for (const count of pageCounts) {
    head.u64(offset).u64(count * PAGE_BYTES);
    offset += count * PAGE_BYTES;
  }
  return head.finish(padded);
}

function addSystems(head: HeadWriter): void {
  const systems = [...new Set(layouts().map(({ shape }) => shape.system))];
  head.u32(systems.length);
  for (const system of systems) {
    const events = layouts().filter(({ shape }) => shape.system === system);
    head.string(system).u32(events.length);
    for (const { format } of events) head.sized(format);
  }
}

class HeadWriter {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  bytes(bytes: Iterable<number>): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  u32(value: number): this {
    return this.bytes([value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24]);
  }

  u64(value: number): this {
    return this.u32(value >>> 0).u32(Math.floor(value / 2 ** 32));
  }

  text(text: string): this {
    return this.bytes(new TextEncoder().encode(text));
  }

  /** Ends with a NUL. */
  string(text: string): this {
    return this.text(text).bytes([0]);
  }

  /** The length as a u64 before it. */
  sized(text: string): this {
    return this.u64(new TextEncoder().encode(text).length).text(text);
  }

  finish(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    bytes.set(this.#bytes);
    return bytes;
  }
}
