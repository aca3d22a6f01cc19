// The deadlock report: which task waits for what, who could end the wait, and what the waiting task holds itself.
//
// Scheduler.describeBlocked() calls it when nothing can run any more; one line a task, as in
//   reclaim waits for mm->mmap_lock #3, held by vcpu0; holds anon_vma->rwsem #7

import type { HeldLock, Task } from './task.ts';

const lockText = (lock: HeldLock): string => `${lock.lockClass.name} #${lock.id}`;

function awaitedText({ waitingFor, awaited }: Task): string {
  if (awaited === null) return waitingFor;
  const names = awaited.holders().map((holder) => holder.name);
  return `${waitingFor} #${awaited.id}, held by ${names.length === 0 ? 'nobody' : names.join(', ')}`;
}

function describe(task: Task): string {
  const holds = task.held.length === 0 ? '' : `; holds ${task.held.map(lockText).join(', ')}`;
  return `${task.name} waits for ${awaitedText(task)}${holds}`;
}

export const describeBlocked = (tasks: readonly Task[]): string[] =>
  tasks.filter(({ state }) => state === 'blocked').map(describe);
