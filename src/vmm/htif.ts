// HTIF, the host-target interface of Berkeley's tools: two doublewords in guest memory, `tohost` and `fromhost`, by
// which a program exits, prints, and asks for system calls.
//
// kvm tracks writes to the page of `tohost`; vcpuThread.ts reports each store (`stored`) and looks when one is due
// (`look`). Commands are those of Spike's fesvr: device 0 an exit or a system call, device 1 a console.
//
// A store of the whole doubleword is looked at once. A partial one is looked at a microsecond later, when the other
// half is there: Spike, which polls, behaves like that.
//
// Invariant: one task at a time looks, since reading guest memory may sleep (`busy`).

import { type Scheduler, type Steps, WaitQueue } from '../sched/index.ts';
import { Errno } from '../units.ts';
import { crashed, exited, type StopRecord } from './stop.ts';

/** Guest physical memory through the page tables of the VMM process: 0, or -errno. */
export interface GuestMemory {
  read(address: number, into: Uint8Array): Steps<number>;
  write(address: number, bytes: Uint8Array): Steps<number>;
}

export interface HtifConfig {
  readonly sched: Scheduler;
  readonly memory: GuestMemory;
  readonly tohost: number;
  /** Null when the program has no such symbol: it gets no answers. */
  readonly fromhost: number | null;
  readonly console: (bytes: Uint8Array) => void;
  readonly stop: (record: StopRecord) => void;
}

const WORD_BYTES = 8;
const PARTIAL_STORE_NS = 1000;

const SYSCALL_DEVICE = 0;
const CONSOLE_DEVICE = 1;
const CONSOLE_WRITE = 1;

const SYS_WRITE = 64n;
const SYS_EXIT = 93n;
const ENOSYS = 38;
const EBADF = 9;
/** A longer write answers short, as write(2) may. */
const MAX_WRITE_BYTES = 2 ** 20;
const CHUNK_BYTES = 4096;
/** Doublewords of a system call block: number and seven arguments; the first takes the result. */
const BLOCK_WORDS = 8;

export class Htif {
  readonly #config: HtifConfig;
  readonly #word = new Uint8Array(WORD_BYTES);
  readonly #view = new DataView(this.#word.buffer);
  readonly #idle: WaitQueue;
  #busy = false;
  /** When somebody must look: virtual ns, or Infinity. */
  dueAt = Number.POSITIVE_INFINITY;

  constructor(config: HtifConfig) {
    this.#config = config;
    this.#idle = new WaitQueue(config.sched, 'htif');
  }

  /** The guest stored `length` bytes at `address`, somewhere in the page of tohost. */
  stored(address: number, length: number): void {
    const { tohost, sched } = this.#config;
    if (address >= tohost + WORD_BYTES || address + length <= tohost) return;
    const isWhole = address <= tohost && address + length >= tohost + WORD_BYTES;
    this.dueAt = Math.min(this.dueAt, isWhole ? sched.now : sched.now + PARTIAL_STORE_NS);
  }

  /** Carries out what stands in tohost, if anything. 0, or -errno when guest memory cannot be had. */
  *look(): Steps<number> {
    yield* this.#idle.until(() => !this.#busy);
    this.#busy = true;
    this.dueAt = Number.POSITIVE_INFINITY;
    const error = yield* this.#takeCommand();
    this.#busy = false;
    this.#idle.wakeAll();
    return error;
  }

  *#takeCommand(): Steps<number> {
    const { memory, tohost } = this.#config;
    const error = yield* memory.read(tohost, this.#word);
    if (error !== 0) return error;
    const command = this.#view.getBigUint64(0, true);
    if (command === 0n) return 0;
    this.#view.setBigUint64(0, 0n);
    const cleared = yield* memory.write(tohost, this.#word);
    return cleared !== 0 ? cleared : yield* this.#execute(command);
  }

  *#execute(command: bigint): Steps<number> {
    const device = Number(command >> 56n);
    const operation = Number((command >> 48n) & 255n);
    const payload = Number(command & 0xffffffffffffn);
    if (device === SYSCALL_DEVICE && operation === 0) {
      if (payload % 2 === 0) return yield* this.#systemCall(payload);
      this.#config.stop(exited('htif', Math.floor(payload / 2)));
    } else if (device === CONSOLE_DEVICE && operation === CONSOLE_WRITE) {
      this.#config.console(Uint8Array.of(payload & 255));
    }
    return 0;
  }

  *#systemCall(block: number): Steps<number> {
    const { memory, stop, fromhost } = this.#config;
    const bytes = new Uint8Array(BLOCK_WORDS * WORD_BYTES);
    let error = yield* memory.read(block, bytes);
    if (error === -Errno.EFAULT) {
      stop(crashed(`HTIF: the system call block at 0x${block.toString(16)} lies outside RAM`));
      return 0;
    }
    if (error !== 0) return error;
    const words = new BigInt64Array(bytes.buffer);
    if (words[0] === SYS_EXIT) {
      stop(exited('htif', Number(words[1])));
      return 0;
    }
    const result = words[0] === SYS_WRITE ? yield* this.#write(words) : -ENOSYS;
    if (result === -Errno.ENOMEM || result === -Errno.EIO) return result;
    words[0] = BigInt(result);
    error = yield* memory.write(block, bytes);
    return error !== 0 || fromhost === null ? error : yield* this.#answer(fromhost);
  }

  /** SYS_write(fd, buffer, count): bytes written, or -errno. */
  *#write(words: BigInt64Array): Steps<number> {
    if (words[1] !== 1n && words[1] !== 2n) return -EBADF;
    const buffer = Number(BigInt.asUintN(64, words[2]!));
    const count = Math.min(Number(BigInt.asUintN(64, words[3]!)), MAX_WRITE_BYTES);
    for (let done = 0; done < count; ) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, count - done));
      const error = yield* this.#config.memory.read(buffer + done, chunk);
      if (error !== 0) return error === -Errno.EFAULT && done > 0 ? done : error;
      this.#config.console(chunk);
      done += chunk.length;
    }
    return count;
  }

  *#answer(fromhost: number): Steps<number> {
    this.#view.setBigUint64(0, 1n, true);
    return yield* this.#config.memory.write(fromhost, this.#word);
  }
}
