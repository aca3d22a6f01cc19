// The device tree of the board: what a kernel reads at the address in a1.
//
// Called by boot.ts; the layout is board.ts's, the format fdt.ts's. Node names, compatibles and properties are those of
// QEMU's `virt` machine, so that a program that finds its devices there finds them here.

import { MSIP, MTIP, TIMEBASE_HZ } from './clint.ts';
import { cells64, type FdtNode, writeFdt } from './fdt.ts';
import { Finish } from './finisher.ts';
import { Layout } from './layout.ts';

const FINISHER_PHANDLE = 1;
const FIRST_HART_PHANDLE = 2;
const PHANDLES_PER_HART = 2;
const UART_CLOCK_HZ = 3_686_400;

const cpuPhandle = (hart: number): number => FIRST_HART_PHANDLE + hart * PHANDLES_PER_HART;
const interruptPhandle = (hart: number): number => cpuPhandle(hart) + 1;
const reg = (base: number, bytes: number): number[] => [...cells64(base), ...cells64(bytes)];

export interface DeviceTreeOptions {
  readonly ramBytes: number;
  readonly harts: number;
  /** The ISA string, as in riscv,isa. */
  readonly isa: string;
}

/** The flattened tree. */
export function boardDeviceTree(options: DeviceTreeOptions): Uint8Array {
  return writeFdt({
    name: '',
    properties: {
      '#address-cells': 2,
      '#size-cells': 2,
      compatible: 'riscv-virtio',
      model: 'umbra,virt',
    },
    children: [
      {
        name: 'chosen',
        properties: { 'stdout-path': `/soc/serial@${Layout.uart.toString(16)}` },
        children: [],
      },
      powerNode('poweroff', Finish.pass),
      powerNode('reboot', Finish.reset),
      {
        name: `memory@${Layout.ram.toString(16)}`,
        properties: { device_type: 'memory', reg: reg(Layout.ram, options.ramBytes) },
        children: [],
      },
      cpusNode(options),
      socNode(options.harts),
    ],
  });
}

const powerNode = (name: string, value: number): FdtNode => ({
  name,
  properties: { compatible: `syscon-${name}`, regmap: FINISHER_PHANDLE, offset: 0, value },
  children: [],
});

function cpusNode({ harts, isa }: DeviceTreeOptions): FdtNode {
  return {
    name: 'cpus',
    properties: { '#address-cells': 1, '#size-cells': 0, 'timebase-frequency': TIMEBASE_HZ },
    children: Array.from({ length: harts }, (_, hart) => cpuNode(hart, isa)),
  };
}

function cpuNode(hart: number, isa: string): FdtNode {
  return {
    name: `cpu@${hart.toString(16)}`,
    properties: {
      device_type: 'cpu',
      compatible: 'riscv',
      reg: hart,
      status: 'okay',
      'riscv,isa': isa,
      'mmu-type': 'riscv,sv39',
      phandle: cpuPhandle(hart),
    },
    children: [
      {
        name: 'interrupt-controller',
        properties: {
          '#interrupt-cells': 1,
          'interrupt-controller': true,
          compatible: 'riscv,cpu-intc',
          phandle: interruptPhandle(hart),
        },
        children: [],
      },
    ],
  };
}

function socNode(harts: number): FdtNode {
  const lines = Array.from({ length: harts }, (_, h) => [
    interruptPhandle(h),
    MSIP,
    interruptPhandle(h),
    MTIP,
  ]);
  return {
    name: 'soc',
    properties: { '#address-cells': 2, '#size-cells': 2, compatible: 'simple-bus', ranges: true },
    children: [
      {
        name: `test@${Layout.finisher.toString(16)}`,
        properties: {
          compatible: ['sifive,test1', 'sifive,test0', 'syscon'],
          reg: reg(Layout.finisher, 0x1000),
          phandle: FINISHER_PHANDLE,
        },
        children: [],
      },
      {
        name: `clint@${Layout.clint.toString(16)}`,
        properties: {
          compatible: ['sifive,clint0', 'riscv,clint0'],
          reg: reg(Layout.clint, 0x10000),
          'interrupts-extended': lines.flat(),
        },
        children: [],
      },
      {
        name: `serial@${Layout.uart.toString(16)}`,
        properties: {
          compatible: 'ns16550a',
          reg: reg(Layout.uart, 0x100),
          'clock-frequency': UART_CLOCK_HZ,
        },
        children: [],
      },
    ],
  };
}
