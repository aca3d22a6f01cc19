// trace.dat: 200,000 events with every field, read back by our own reader, and by trace-cmd where that is installed,
// whose text must be the kernel's.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/sched/index.ts';
import {
  printEvent,
  readTraceDat,
  SINKS,
  TraceError,
  type TraceRecord,
  toRecord,
} from '../../src/trace/index.ts';
import { randomRecords, TASKS } from '../support/traceRecords.ts';

const EVENTS = 200_000;
const FOLDER = mkdtempSync(join(tmpdir(), 'umbra-dat-'));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

function writeDat(count: number): { bytes: Uint8Array; records: TraceRecord[] } {
  const chunks: Uint8Array[] = [];
  const sink = SINKS.dat({ write: (bytes) => chunks.push(bytes.slice()), tasks: TASKS, cpus: 2 });
  const records = randomRecords(count, (batch) => sink.add(batch));
  sink.end();
  return { bytes: Buffer.concat(chunks), records };
}

/** The task of a switch is the previous one. */
const taskOf = ({ event, task, fields }: TraceRecord): number =>
  event === 'sched_switch' ? fields.prev_pid! : task;

const TRACE_CMD = spawnSync('trace-cmd', ['--version']).error === undefined;

describe('a trace.dat of 200,000 events', () => {
  const { bytes, records } = writeDat(EVENTS);

  it('gives back every event with its time, task, CPU and fields', () => {
    const dat = readTraceDat(bytes);
    expect(dat.cpus).toBe(2);
    expect(dat.comms.get(3)).toBe('task3');
    let next = 0;
    for (const event of dat.events()) {
      const record = records[next++]!;
      const task = taskOf(record);
      const expected = { ...record, task };
      // toEqual for each would take minutes.
      if (JSON.stringify(toRecord(event)) === JSON.stringify(expected)) continue;
      expect(toRecord(event)).toEqual(expected);
    }
    expect(next).toBe(EVENTS);
  });

  it('has the comms of tasks in the fields that are names', () => {
    for (const { format, fields } of readTraceDat(bytes).events()) {
      if (format.name !== 'sched_wakeup') continue;
      expect(fields.comm).toBe(TASKS.commOf(Number(fields.pid)));
      break;
    }
  });

  it.skipIf(!TRACE_CMD)('prints in trace-cmd as the kernel prints it', () => {
    const file = join(FOLDER, 'trace.dat');
    writeFileSync(file, bytes);
    // Without plug-ins: that for kvm knows x86 only.
    const { stdout, stderr } = spawnSync('trace-cmd', ['report', '-N', file], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    expect(stderr.replace(/^trace-cmd: No such file or directory\n.*\n/, '')).toBe('');
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('cpus=2');
    expect(lines).toHaveLength(EVENTS + 1);
    records.forEach((record, i) => {
      const who = `${TASKS.titleOf(taskOf(record))}-${taskOf(record)}`;
      const line = lines[i + 1]!.replace(/^ *(\S+) .*?: /, '$1 ')
        .replace(/: +/, ': ')
        .trimEnd();
      // trace-cmd prints pointers with 0x and without leading zeros.
      const text = printEvent(record, TASKS)
        .replace(/\b(page=|mm=|mm |rmap_item )(?=[0-9a-f]{16})0*(?=[0-9a-f])/g, '$10x')
        .trimEnd();
      const expected = `${who} ${record.event}: ${text}`;
      if (line !== expected) expect(line).toBe(expected);
    });
  });
});

describe('the reader', () => {
  const { bytes } = writeDat(100);

  it('reads a file with broken bytes, or says that it is broken', () => {
    let broken = 0;
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Random(seed);
      const file = Uint8Array.from(bytes);
      // Half of them where the events are.
      const start = seed % 2 === 0 ? bytes.length - 4096 : 0;
      for (let i = 0; i < 8; i++) file[start + random.below(file.length - start)] = random.below(256);
      try {
        for (const _ of readTraceDat(file).events());
      } catch (error) {
        expect(error, `seed ${seed}`).toBeInstanceOf(TraceError);
        broken++;
      }
    }
    expect(broken).toBeGreaterThan(20);
  });

  it('does not read pages of no bytes', () => {
    const file = Uint8Array.from(bytes);
    file.fill(0, 14, 18);
    expect(() => readTraceDat(file)).toThrow(/pages are of 0 bytes/);
  });

  it('says what is wrong with a file that is no trace.dat', () => {
    const broken: [Uint8Array, RegExp][] = [
      [new Uint8Array(0), /cut off/],
      [new TextEncoder().encode('# tracer: nop\n'), /no trace.dat/],
      [bytes.subarray(0, 5000), /cut off/],
      [bytes.subarray(0, bytes.length - 1), /cut off/],
      [Uint8Array.from(bytes, (byte, i) => (i === 10 ? 0x37 : byte)), /version 7, not 6/],
    ];
    for (const [file, message] of broken) {
      const read = (): unknown[] => [...readTraceDat(file).events()];
      expect(read).toThrow(TraceError);
      expect(read).toThrow(message);
    }
  });
});
