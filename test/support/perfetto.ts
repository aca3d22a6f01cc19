// A reader of Perfetto's track events, for tests: protobuf by the wire format, fields by the numbers of the .proto files.

type Value = bigint | Uint8Array;
type Fields = Map<number, Value[]>;

export interface PerfettoTrace {
  process: string;
  threads: Map<number, string>;
  counters: Map<bigint, string>;
  events: Record<string, unknown>[];
}

function parse(bytes: Uint8Array): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('a varint is cut off');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const put = (value: Value): void => {
      fields.set(key >> 3, [...(fields.get(key >> 3) ?? []), value]);
    };
    if ((key & 7) === 0) put(varint());
    else if ((key & 7) === 1) {
      put(new DataView(bytes.buffer, bytes.byteOffset + at).getBigUint64(0, true));
      at += 8;
    } else if ((key & 7) === 2) {
      const length = Number(varint());
      if (at + length > bytes.length) throw new Error('a message is cut off');
      put(bytes.subarray(at, at + length));
      at += length;
    } else throw new Error(`wire type ${key & 7}`);
  }
  return fields;
}

const textOf = (fields: Fields, field: number): string =>
  new TextDecoder().decode(fields.get(field)![0] as Uint8Array);
const inner = (fields: Fields, field: number): Fields | null => {
  const [bytes] = fields.get(field) ?? [];
  return bytes === undefined ? null : parse(bytes as Uint8Array);
};
const number = (fields: Fields, field: number): number => Number(fields.get(field)![0]);

export function decodeTrace(bytes: Uint8Array): PerfettoTrace {
  const trace: PerfettoTrace = { process: '', threads: new Map(), counters: new Map(), events: [] };
  const tids = new Map<bigint, number>();
  for (const packet of parse(bytes).get(1)!) {
    const fields = parse(packet as Uint8Array);
    if (!fields.has(10)) throw new Error('a packet without a sequence');
    const descriptor = inner(fields, 60);
    if (descriptor !== null) addTrack(trace, tids, descriptor);
    const event = inner(fields, 11);
    if (event !== null) trace.events.push(decodeEvent(trace, tids, event, number(fields, 8)));
  }
  return trace;
}

function addTrack(trace: PerfettoTrace, tids: Map<bigint, number>, track: Fields): void {
  const uuid = track.get(1)![0] as bigint;
  const [process, thread] = [inner(track, 3), inner(track, 4)];
  if (process !== null) trace.process = textOf(process, 6);
  else if (thread !== null) {
    tids.set(uuid, number(thread, 2));
    trace.threads.set(number(thread, 2), textOf(thread, 5));
  } else trace.counters.set(uuid, textOf(track, 2));
}

function decodeEvent(
  trace: PerfettoTrace,
  tids: Map<bigint, number>,
  event: Fields,
  time: number,
): Record<string, unknown> {
  const type = ['', 'begin', 'end', 'instant', 'counter'][number(event, 9)]!;
  const track = event.get(11)![0] as bigint;
  if (type === 'counter') return { type, time, name: trace.counters.get(track), value: number(event, 30) };
  const tid = tids.get(track);
  if (type === 'end') return { type, time, tid };
  const flows = (field: number): number[] => (event.get(field) ?? []).map(Number);
  const args = Object.fromEntries(
    (event.get(4) ?? []).map((bytes) => annotation(parse(bytes as Uint8Array))),
  );
  return {
    type,
    time,
    tid,
    cat: textOf(event, 22),
    name: textOf(event, 23),
    args,
    starts: flows(47),
    ends: flows(48),
  };
}

function annotation(fields: Fields): [string, unknown] {
  const name = textOf(fields, 10);
  if (fields.has(6)) return [name, textOf(fields, 6)];
  if (fields.has(2)) return [name, number(fields, 2) === 1];
  return [name, Number(BigInt.asIntN(64, fields.get(4)![0] as bigint))];
}
