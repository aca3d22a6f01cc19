// The GDB stub: what each packet of the remote protocol does to a machine. Threads are vCPUs.
//
// server.ts brings the packets and sends the answers. Memory is read by debug walks (inspect/guestView.ts), so that
// looking changes nothing. Source: "Remote Protocol" in the GDB manual.

import type { Hart } from '../../hw/hart/index.ts';
import type { Machine } from '../../machine.ts';
import type { Gpa } from '../../units.ts';
import { GuestView } from '../inspect/guestView.ts';
import { Debugger, type Stop, type WatchKind } from './debugger.ts';
import { monitor } from './monitor.ts';
import { bytesOfHex, hexOfBytes, hexOfText } from './packets.ts';
import { readGeneral, readRegister, targetXml, writeGeneral, writeRegister } from './registers.ts';

const FEATURES =
  'PacketSize=4000;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+;QStartNoAckMode+;multiprocess+';
const MAX_READ = 0x2000;
const OK = 'OK';
const UNKNOWN = '';
const ERROR = 'E01';
const BAD_MEMORY = 'E14';
const PROCESS = 1;
const WATCH_KINDS: Readonly<Record<string, WatchKind>> = { 2: 'write', 3: 'read', 4: 'access' };
const WATCH_REPLY: Readonly<Record<WatchKind, string>> = { write: 'watch', read: 'rwatch', access: 'awatch' };

/** What a packet comes to: answers to send now, and whether the machine goes on or is let go. */
export interface Answer {
  readonly replies: readonly string[];
  readonly effect?: 'resumed' | 'detached' | 'killed';
  /** QStartNoAckMode was accepted. */
  readonly stopsAcknowledging?: true;
}

const answer = (reply: string): Answer => ({ replies: [reply] });

export class GdbStub {
  readonly debugger: Debugger;
  readonly #machine: Machine;
  readonly #view: GuestView;
  /** The vCPUs that g, p, m ... and c, s are for. */
  #current = 0;
  #physical = false;

  /** The VM exists. */
  constructor(machine: Machine) {
    this.#machine = machine;
    this.#view = new GuestView(machine.vmm.kvm!);
    this.debugger = new Debugger(this.#view);
    for (const vcpu of this.#view.kvm.vcpus) vcpu.debug = this.debugger;
    this.debugger.resume(this.#allVcpus(), []);
  }

  /** T.., for a stop; the thread that stopped becomes the current one. */
  stopReply(stop: Stop): string {
    this.#current = stop.vcpu;
    const thread = `thread:${threadId(stop.vcpu)};`;
    switch (stop.kind) {
      case 'breakpoint':
        return `T05swbreak:;${thread}`;
      case 'watchpoint': {
        const { kind, address } = stop.watchpoint;
        return `T05${WATCH_REPLY[kind]}:${hexOfAddress(address)};${thread}`;
      }
      case 'step':
        return `T05${thread}`;
      default:
        return `T02${thread}`;
    }
  }

  handle(packet: string): Answer {
    const letter = packet[0] ?? '';
    if (letter === 'q' || letter === 'Q') return this.#query(packet);
    if (letter === 'v') return this.#resumeAsTold(packet);
    if (/^[Zz]/.test(packet)) return answer(this.#setPoint(packet));
    switch (letter) {
      case '?':
        return answer(this.stopReply(this.debugger.stop ?? { kind: 'step', vcpu: this.#current }));
      case 'H':
        return answer(this.#chooseThread(packet.slice(2)));
      case 'T':
        return answer(vcpuOfThread(packet.slice(1), this.#view.kvm.vcpus.length) === null ? ERROR : OK);
      case 'g':
        return answer(readGeneral(this.#hart));
      case 'G':
        return answer(this.#writeGeneral(packet));
      case 'p':
        return answer(readRegister(this.#hart, Number.parseInt(packet.slice(1), 16)) ?? ERROR);
      case 'P':
        return answer(this.#writeRegister(packet));
      case 'm':
        return answer(this.#readMemory(packet));
      case 'M':
        return answer(this.#writeMemory(packet));
      case 'c':
        return this.#resume(this.#allVcpus(), []);
      case 's':
        return this.#resume([], [this.#current]);
      case 'D':
        this.debugger.detach();
        return { replies: [OK], effect: 'detached' };
      case 'k':
        return { replies: [], effect: 'killed' };
      default:
        return answer(UNKNOWN);
    }
  }

  // Queries

  #query(packet: string): Answer {
    if (packet.startsWith('qSupported')) return answer(FEATURES);
    if (packet === 'QStartNoAckMode') return { replies: [OK], stopsAcknowledging: true };
    if (packet.startsWith('qXfer:features:read:target.xml:')) return answer(this.#targetXml(packet));
    if (packet === 'qfThreadInfo') return answer(`m${this.#allVcpus().map(threadId).join(',')}`);
    if (packet === 'qsThreadInfo') return answer('l');
    if (packet.startsWith('qThreadExtraInfo,')) return answer(this.#describeThread(packet.slice(17)));
    if (packet === 'qC') return answer(`QC${threadId(this.#current)}`);
    if (packet.startsWith('qAttached')) return answer('1');
    if (packet === 'qqemu.PhyMemMode') return answer(String(Number(this.#physical)));
    if (packet.startsWith('Qqemu.PhyMemMode:')) {
      this.#physical = packet.endsWith('1');
      return answer(OK);
    }
    return packet.startsWith('qRcmd,') ? this.#monitor(packet.slice(6)) : answer(UNKNOWN);
  }

  #targetXml(packet: string): string {
    const match = /:([0-9a-f]+),([0-9a-f]+)$/i.exec(packet);
    if (match === null) return ERROR;
    const [offset, length] = [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)];
    const xml = targetXml(this.#hart);
    return `${offset + length >= xml.length ? 'l' : 'm'}${xml.slice(offset, offset + length)}`;
  }

  #describeThread(id: string): string {
    const index = vcpuOfThread(id, this.#view.kvm.vcpus.length);
    if (index === null) return ERROR;
    const { hart } = this.#view.kvm.vcpus[index]!;
    return hexOfText(`vCPU#${index} [${['user', 'supervisor', '', 'machine'][hart.privilege]}]`);
  }

  #monitor(hex: string): Answer {
    const bytes = bytesOfHex(hex);
    if (bytes === null) return answer(ERROR);
    const text = monitor(this.#machine, this.#view, this.#current, new TextDecoder().decode(bytes));
    return { replies: [`O${hexOfText(text)}`, OK] };
  }

  // Threads

  get #hart(): Hart {
    return this.#view.kvm.vcpus[this.#current]!.hart;
  }

  #allVcpus(): number[] {
    return this.#view.kvm.vcpus.map(({ index }) => index);
  }

  #chooseThread(id: string): string {
    if (id === '-1' || id === '0' || id === '' || id === 'p-1.-1' || id === 'p0.0') return OK;
    const index = vcpuOfThread(id, this.#view.kvm.vcpus.length);
    if (index === null) return ERROR;
    this.#current = index;
    return OK;
  }

  /** vCont;action[:thread]...: the first action that fits a thread is its own. */
  #resumeAsTold(packet: string): Answer {
    if (packet === 'vCont?') return answer('vCont;c;C;s;S');
    if (packet.startsWith('vKill')) return { replies: [OK], effect: 'killed' };
    if (!packet.startsWith('vCont;')) return answer(UNKNOWN);
    const running: number[] = [];
    const stepping: number[] = [];
    const actions = packet
      .slice(6)
      .split(';')
      .map((action) => action.split(':'));
    for (const index of this.#allVcpus()) {
      const [kind = ''] =
        actions.find(([, thread]) => isThread(thread, index, this.#allVcpus().length)) ?? [];
      if (/^[cC]/.test(kind)) running.push(index);
      if (/^[sS]/.test(kind)) stepping.push(index);
    }
    if (running.length + stepping.length === 0) return answer(ERROR);
    return this.#resume(running, stepping);
  }

  #resume(running: readonly number[], stepping: readonly number[]): Answer {
    this.debugger.resume(running, stepping);
    return { replies: [], effect: 'resumed' };
  }

  // Registers and memory

  #writeGeneral(packet: string): string {
    const bytes = bytesOfHex(packet.slice(1));
    return bytes !== null && writeGeneral(this.#hart, bytes) ? OK : ERROR;
  }

  #writeRegister(packet: string): string {
    const match = /^P([0-9a-f]+)=([0-9a-f]+)$/i.exec(packet);
    const bytes = match === null ? null : bytesOfHex(match[2]!);
    if (bytes === null) return ERROR;
    return writeRegister(this.#hart, Number.parseInt(match![1]!, 16), bytes) ? OK : ERROR;
  }

  #readMemory(packet: string): string {
    const range = rangeOf(packet.slice(1));
    if (range === null || range.length > MAX_READ) return ERROR;
    const bytes = this.#physical
      ? this.#view.readPhysical(range.address as Gpa, range.length)
      : this.#view.readVirtual(this.#hart, range.address, range.length);
    return bytes === null ? BAD_MEMORY : hexOfBytes(bytes);
  }

  #writeMemory(packet: string): string {
    const [where = '', data = ''] = packet.slice(1).split(':');
    const range = rangeOf(where);
    const bytes = bytesOfHex(data);
    if (range === null || bytes === null || bytes.length !== range.length) return ERROR;
    return this.#view.writeVirtual(this.#hart, range.address, bytes) ? OK : BAD_MEMORY;
  }

  // Breakpoints and watchpoints

  #setPoint(packet: string): string {
    const range = rangeOf(packet.slice(3));
    if (range === null) return ERROR;
    const isSet = packet[0] === 'Z';
    const kind = WATCH_KINDS[packet[1]!];
    if (kind !== undefined) {
      const watchpoint = { kind, ...range };
      if (isSet) this.debugger.addWatchpoint(watchpoint);
      else this.debugger.removeWatchpoint(watchpoint);
    } else if (isSet) this.debugger.addBreakpoint(range.address);
    else this.debugger.removeBreakpoint(range.address);
    return OK;
  }
}

export const threadId = (vcpu: number): string => `p${PROCESS}.${(vcpu + 1).toString(16)}`;

/** The vCPU of "p1.2" or "2"; null: there is none. */
function vcpuOfThread(id: string, vcpus: number): number | null {
  const match = /^(?:p1\.)?([0-9a-f]+)$/i.exec(id);
  const index = match === null ? Number.NaN : Number.parseInt(match[1]!, 16) - 1;
  return index >= 0 && index < vcpus ? index : null;
}

const isThread = (id: string | undefined, vcpu: number, vcpus: number): boolean =>
  id === undefined || id === '-1' || id === 'p1.-1' || id === 'p-1' || vcpuOfThread(id, vcpus) === vcpu;

/** "address,length" in hexadecimal; addresses from 2^63 on are negative here. */
function rangeOf(text: string): { address: number; length: number } | null {
  const match = /^([0-9a-f]{1,16}),([0-9a-f]{1,8})/i.exec(text);
  if (match === null) return null;
  const address = Number(BigInt.asIntN(64, BigInt(`0x${match[1]}`)));
  return { address, length: Number.parseInt(match[2]!, 16) };
}

const hexOfAddress = (address: number): string => BigInt.asUintN(64, BigInt(address)).toString(16);
