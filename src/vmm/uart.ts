// An ns16550 UART whose input is empty: what the guest transmits goes to the console.
//
// Attached to the bus by board.ts. Programs poll it (the board has no interrupt controller for devices), yet the
// registers behave as drivers probe them: DLAB, the interrupt identification, the scratch register, and loopback.
// Like QEMU's, it decodes eight bytes of its 256 and looks at the low byte of any width.
//
// Source: National Semiconductor PC16550D data sheet, section 8.

import type { AccessLength, Device, MmioData } from './bus.ts';

const RBR_THR_DLL = 0;
const IER_DLM = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER_RDI = 1;
const IER_THRI = 2;
const IIR_NONE = 1;
const IIR_THRI = 2;
const IIR_RDI = 4;
const IIR_FIFO = 0xc0;
const FCR_ENABLE = 1;
const FCR_CLEAR_RECEIVED = 2;
const LCR_DLAB = 0x80;
const MCR_LOOP = 0x10;
const LSR_DATA_READY = 1;
const LSR_OVERRUN = 2;
const LSR_TRANSMITTER_EMPTY = 0x60;
/** CTS, DSR and DCD: a terminal that is always there. */
const MSR_CONNECTED = 0xb0;
const FIFO_BYTES = 16;

export class Uart implements Device {
  readonly base: number;
  readonly size = 8;
  readonly #console: (bytes: Uint8Array) => void;
  readonly #transmitted = new Uint8Array(1);
  /** Bytes that came back in loopback, the only ones that ever arrive. */
  #received: number[] = [];
  #divisor = 12;
  #interruptEnable = 0;
  #transmitInterrupt = false;
  #fifoEnabled = false;
  #lineControl = 0;
  #modemControl = 8;
  #overrun = false;
  #scratch = 0;

  constructor(base: number, console: (bytes: Uint8Array) => void) {
    this.base = base;
    this.#console = console;
  }

  read(offset: number, _length: AccessLength, data: MmioData): boolean {
    data.lo = this.#readRegister(offset);
    return true;
  }

  write(offset: number, _length: AccessLength, lo: number, _hi: number): boolean {
    this.#writeRegister(offset, lo & 0xff);
    return true;
  }

  #readRegister(register: number): number {
    const latched = (this.#lineControl & LCR_DLAB) !== 0;
    switch (register) {
      case RBR_THR_DLL:
        return latched ? this.#divisor & 0xff : (this.#received.shift() ?? 0);
      case IER_DLM:
        return latched ? this.#divisor >> 8 : this.#interruptEnable;
      case IIR_FCR:
        return this.#identifyInterrupt() | (this.#fifoEnabled ? IIR_FIFO : 0);
      case LCR:
        return this.#lineControl;
      case MCR:
        return this.#modemControl;
      case LSR:
        return this.#lineStatus();
      case MSR:
        return this.#modemStatus();
      default:
        return this.#scratch;
    }
  }

  #writeRegister(register: number, value: number): void {
    const latched = (this.#lineControl & LCR_DLAB) !== 0;
    switch (register) {
      case RBR_THR_DLL:
        if (latched) this.#divisor = (this.#divisor & 0xff00) | value;
        else this.#transmit(value);
        return;
      case IER_DLM:
        if (latched) this.#divisor = (this.#divisor & 0xff) | (value << 8);
        else this.#enableInterrupts(value & 15);
        return;
      case IIR_FCR:
        this.#fifoEnabled = (value & FCR_ENABLE) !== 0;
        if ((value & FCR_CLEAR_RECEIVED) !== 0) this.#received = [];
        return;
      case LCR:
        this.#lineControl = value;
        return;
      case MCR:
        this.#modemControl = value & 0x1f;
        return;
      case SCR:
        this.#scratch = value;
    }
  }

  #transmit(value: number): void {
    this.#transmitInterrupt = true;
    if ((this.#modemControl & MCR_LOOP) !== 0) {
      this.#receive(value);
      return;
    }
    this.#transmitted[0] = value;
    this.#console(this.#transmitted);
  }

  #receive(value: number): void {
    if (this.#received.length < (this.#fifoEnabled ? FIFO_BYTES : 1)) this.#received.push(value);
    else this.#overrun = true;
  }

  #enableInterrupts(value: number): void {
    if ((value & ~this.#interruptEnable & IER_THRI) !== 0) this.#transmitInterrupt = true;
    this.#interruptEnable = value;
  }

  /** Reading the register takes back a transmitter interrupt. */
  #identifyInterrupt(): number {
    if ((this.#interruptEnable & IER_RDI) !== 0 && this.#received.length > 0) return IIR_RDI;
    if ((this.#interruptEnable & IER_THRI) === 0 || !this.#transmitInterrupt) return IIR_NONE;
    this.#transmitInterrupt = false;
    return IIR_THRI;
  }

  #lineStatus(): number {
    const overrun = this.#overrun ? LSR_OVERRUN : 0;
    this.#overrun = false;
    return LSR_TRANSMITTER_EMPTY | overrun | (this.#received.length > 0 ? LSR_DATA_READY : 0);
  }

  /** In loopback the four modem outputs come back as the four inputs: DTR RTS OUT1 OUT2 as DSR CTS RI DCD. */
  #modemStatus(): number {
    const control = this.#modemControl;
    if ((control & MCR_LOOP) === 0) return MSR_CONNECTED;
    return ((control & 2) << 3) | ((control & 1) << 5) | ((control & 0x0c) << 4);
  }
}
