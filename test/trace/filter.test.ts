// Filters and patterns of events: what they match, and what they say of mistakes.

import { describe, expect, it } from 'vitest';
import {
  EVENTS,
  filterInput,
  parseFilter,
  selectEvents,
  TraceError,
  type TraceRecord,
} from '../../src/trace/index.ts';
import { TASKS } from '../support/traceRecords.ts';

const START: TraceRecord = {
  event: 'invalidate_range_start',
  time: 0,
  task: 3,
  fields: { mm: 1, start: -4096, end: 0x2000, notify: 1, blockable: 1, in_progress: 2 },
};
const SWITCH: TraceRecord = { event: 'sched_switch', time: 0, task: 0, fields: { prev_pid: 0, next_pid: 5 } };

const FIELDS = Object.values(EVENTS).flatMap(({ fields }) => Object.keys(fields));

const matches = (text: string, record = START): boolean =>
  parseFilter(text, FIELDS)(filterInput(record, TASKS));

it('knows which fields there are', () => {
  expect(() => parseFilter('rety == 1', ['retry'])).toThrow(
    "filter 'rety == 1': no event here has a field rety; is it retry?",
  );
});

describe('a filter', () => {
  it.each([
    'in_progress == 2',
    'in_progress != 3',
    'in_progress > 1 && in_progress < 3',
    'in_progress >= 2 && in_progress<=2',
    'start == 0xfffffffffffff000',
    'start == -4096',
    'end & 0x2000',
    'notify == 1',
    'notify == MMU_NOTIFY_CLEAR',
    'notify != "MMU_NOTIFY_UNMAP"',
    'notify ~ *CLEAR',
    'blockable == 1',
    'blockable == true',
    'in_progress == 9 || mm == 1',
    '!(mm == 2) && !in_progress == 9',
    'mm == 2 && mm == 3 || mm == 1',
    'COMM == task3',
    'common_pid == 3',
    'CPU == 1',
  ])('%s matches', (text) => {
    expect(matches(text)).toBe(true);
  });

  it.each([
    'in_progress == 3',
    'end & 0x1000',
    'notify == MMU_NOTIFY',
    'notify ~ MMU_NOTIFY_C',
    'gfn == 1',
    'gfn != 1',
    'mm == 1 && (mm == 2 || mm == 3)',
    'start > 0',
  ])('%s does not match', (text) => {
    expect(matches(text)).toBe(false);
  });

  it('sees a switch where it happened, with the names of the tasks', () => {
    expect(matches('CPU == 1 && common_pid == 0 && COMM == "<idle>" && next_comm ~ "task?"', SWITCH)).toBe(
      true,
    );
  });

  it.each([
    ['', 'expected FIELD OP VALUE'],
    ['gfn', "expected an operator and a value after 'gfn'"],
    ['gfn ==', "expected an operator and a value after 'gfn'"],
    ['gfn = 1', "what is '= 1'"],
    ['gfn == 1 mm == 2', "expected && or || before 'mm'"],
    ['(gfn == 1', 'a parenthesis is not closed'],
    ['gfn < abc', "'<' compares numbers, and 'abc' is none"],
    [`${'('.repeat(1001)}gfn == 1`, 'a filter of more than 1000 words'],
    [Array(300).fill('gfn == 1').join(' && '), 'a filter of more than 1000 words'],
    ['gfn == && 1', "expected an operator and a value after 'gfn'"],
  ])("'%s' is a mistake", (text, message) => {
    expect(() => parseFilter(text, FIELDS)).toThrow(TraceError);
    expect(() => parseFilter(text, FIELDS)).toThrow(message);
  });
});

describe('a pattern', () => {
  it('names systems, events, or both, with globs', () => {
    expect(selectEvents(['tlb'])).toEqual(['tlb_flush']);
    expect(selectEvents(['kvm:kvm_e*'])).toEqual(['kvm_entry', 'kvm_exit']);
    expect(selectEvents(['kvm/kvm_exit', 'kvm_entry'])).toEqual(['kvm_entry', 'kvm_exit']);
    expect(selectEvents(['*:*_young'])).toEqual(['clear_flush_young', 'clear_young', 'test_young']);
    expect(selectEvents(['kvm*']).length).toBeGreaterThan(selectEvents(['kvm']).length);
  });

  it('of many stars takes no longer than another', () => {
    expect(selectEvents([`${'*'.repeat(50_000)}kvm_exit`])).toEqual(['kvm_exit']);
    expect(() => selectEvents([`${'*_'.repeat(40)}x`])).toThrow(TraceError);
    expect(() => selectEvents(['kvm'.repeat(20_000)])).toThrow(TraceError);
    expect(selectEvents(['k*v*?_*x?t'])).toEqual(['kvm_exit', 'kvm_userspace_exit']);
  });

  it('that names nothing is a mistake, and may have been another', () => {
    expect(() => selectEvents(['kvm_exti'])).toThrow('no event is named kvm_exti; is it kvm_exit?');
    expect(() => selectEvents(['nothing'])).toThrow('no event is named nothing');
    expect(() => selectEvents(['kvm:vm_exit.*'])).toThrow(TraceError);
  });
});
