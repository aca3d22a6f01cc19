// Trace records as text: one line of JSON, fields by name and format.

import { describe, expect, it } from 'vitest';
import { toJsonLine } from '../../src/trace/index.ts';

describe('a line of JSON', () => {
  it('starts with time, task and event, then has the fields in the order of the table', () => {
    expect(
      toJsonLine({ event: 'kvm_entry', time: 1234, task: 2, fields: { pc: 0x80000000, vcpu_id: 1 } }),
    ).toBe('{"time":1234,"task":2,"event":"kvm:kvm_entry","pc":"0x80000000","vcpu_id":1}');
  });

  it('writes the words of a string table, and true and false', () => {
    const fields = { mm: 1, start: 0x1000, end: 0x2000, notify: 1, blockable: 1, in_progress: 2 };
    expect(toJsonLine({ event: 'invalidate_range_start', time: 0, task: 1, fields })).toBe(
      '{"time":0,"task":1,"event":"mmu_notifier:invalidate_range_start","mm":1,"start":"0x1000","end":"0x2000",' +
        '"notify":"MMU_NOTIFY_CLEAR","blockable":true,"in_progress":2}',
    );
    expect(toJsonLine({ event: 'kvm_mmio', time: 0, task: 1, fields: { type: 1 } })).toContain(
      '"type":"read"',
    );
  });

  it('writes a number that its string table does not have in hexadecimal, as the kernel does', () => {
    expect(toJsonLine({ event: 'kvm_mmio', time: 0, task: 1, fields: { type: 9 } })).toContain(
      '"type":"0x9"',
    );
  });

  it('writes addresses as 64-bit two’s complement and counts as signed numbers', () => {
    const line = toJsonLine({
      event: 'kvm_inj_exception',
      time: 0,
      task: 1,
      fields: { exception: 13, tval: -4096, vcpu_id: 0 },
    });
    expect(JSON.parse(line)).toMatchObject({ exception: 'LOAD_PAGE_FAULT', tval: '0xfffffffffffff000' });
  });

  it('writes a field that is not there as 0', () => {
    expect(JSON.parse(toJsonLine({ event: 'kvm_entry', time: 0, task: 1, fields: {} }))).toMatchObject({
      pc: '0x0',
      vcpu_id: 0,
    });
  });
});
