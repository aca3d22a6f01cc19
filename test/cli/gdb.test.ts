// The GDB stub of umbra run, by a client of our own, and by gdb-multiarch where that is installed: breakpoints,
// watchpoints, steps, threads, registers, memory, monitor commands, and how it ends.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/asm/index.ts';
import { framed, RspClient } from '../support/rspClient.ts';
import { ended, FOLDER, start, umbra } from './umbra.ts';

const PC = 32;
const A1 = 11;
const MHARTID = 65 + 0xf14;
const SATP = 65 + 0x180;

/** The first hart counts to 3, in a1 and in memory; the second one spins. */
const SOURCE = `
    .globl _start
_start:
    csrr t0, mhartid
    bnez t0, spin
    la a0, counter
    li a1, 0
    li a2, 3
loop:
    call increment
    bltu a1, a2, loop
    li t0, 0x100000
    li t1, 0x5555
    sw t1, 0(t0)
spin:
    j spin
increment:
    addi a1, a1, 1
    sd a1, 0(a0)
    ret
    .data
    .balign 8
counter:
    .dword 0x1122334455667788
`;
const { elf, symbols } = assemble(SOURCE, { file: 'count.s' });
writeFileSync(join(FOLDER, 'count.elf'), elf);

const at = (symbol: string): number => symbols.get(symbol)!;
const hex = (value: number): string => value.toString(16);

interface Served {
  readonly exit: Promise<number | string | null>;
  readonly address: string;
}

async function serve(...args: string[]): Promise<Served> {
  const child = start('run', '--gdb', '0', '-S', 'count.elf', '--host-ram', '1M', ...args);
  const exit = ended(child);
  const address = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stderr.on('data', (bytes) => {
      text += bytes;
      const match = /gdb server on (\S+)\n/.exec(text);
      if (match !== null) resolve(match[1]!);
    });
    child.on('close', () => reject(new Error(text)));
  });
  return { exit, address };
}

async function debug(...args: string[]): Promise<Served & { readonly client: RspClient }> {
  const served = await serve(...args);
  return { ...served, client: await RspClient.open(served.address) };
}

describe('the stub', () => {
  it('stops before the first instruction, at breakpoints and after steps', async () => {
    const { client, exit } = await debug();
    expect(await client.ask('?')).toBe('T02thread:p1.1;');
    expect(Number(await client.register(PC))).toBe(at('_start'));
    expect(await client.ask(`Z0,${hex(at('increment'))},4`)).toBe('OK');
    for (const count of [0, 1, 2]) {
      expect(await client.ask('c')).toBe('T05swbreak:;thread:p1.1;');
      expect(Number(await client.register(PC))).toBe(at('increment'));
      expect(Number(await client.register(A1))).toBe(count);
      expect(await client.ask('vCont;s:p1.1')).toBe('T05thread:p1.1;');
      expect(Number(await client.register(A1))).toBe(count + 1);
    }
    expect(await client.ask(`z0,${hex(at('increment'))},4`)).toBe('OK');
    expect(await client.ask('vCont;c')).toBe('W00;process:1');
    expect(await exit).toBe(0);
  });

  it('stops after what touches a watched place, and no other', async () => {
    const { client, exit } = await debug();
    expect(await client.ask(`Z2,${hex(at('counter') + 2)},1`)).toBe('OK');
    expect(await client.ask(`Z3,${hex(at('counter'))},8`)).toBe('OK');
    expect(await client.ask('c')).toBe(`T05watch:${hex(at('counter') + 2)};thread:p1.1;`);
    expect(await client.ask(`m${hex(at('counter'))},8`)).toBe('0100000000000000');
    expect(await client.ask(`z2,${hex(at('counter') + 2)},1`)).toBe('OK');
    expect(await client.ask('c')).toBe('W00;process:1');
    expect(await exit).toBe(0);
  });

  it('has a thread for each vCPU; one that is stepped leaves the others standing', async () => {
    const { client, exit } = await debug('--vcpus', '2');
    expect(await client.ask('qfThreadInfo')).toBe('mp1.1,p1.2');
    expect(await client.ask('qsThreadInfo')).toBe('l');
    const info = await client.ask('qThreadExtraInfo,p1.2');
    expect(Buffer.from(info, 'hex').toString()).toBe('vCPU#1 [machine]');
    for (const pc of [0, 4]) {
      expect(await client.ask('Hgp1.1')).toBe('OK');
      expect(Number(await client.register(PC))).toBe(at('_start'));
      expect(await client.ask('Hgp1.2')).toBe('OK');
      expect(Number(await client.register(PC))).toBe(at('_start') + pc);
      expect(Number(await client.register(MHARTID))).toBe(1);
      expect(await client.ask('vCont;s:p1.2')).toBe('T05thread:p1.2;');
    }
    expect(Number(await client.register(PC))).toBe(at('spin'));
    expect(await client.ask('Hgp1.3')).toBe('E01');
    expect(await client.ask('Tp1.1')).toBe('OK');
    expect(await client.ask('vCont;c:p1.1;c')).toBe('W00;process:1');
    expect(await exit).toBe(0);
  });

  it('reads and writes registers and memory', async () => {
    const { client } = await debug();
    const counter = at('counter');
    expect(await client.ask(`m${hex(counter)},8`)).toBe('8877665544332211');
    expect(await client.ask(`m${hex(counter + 6)},1`)).toBe('22');
    expect(await client.ask('m10,4')).toBe('E14');
    expect(await client.ask(`M${hex(counter)},2:0102`)).toBe('OK');
    expect(await client.ask(`m${hex(counter)},4`)).toBe('01026655');
    expect(await client.ask('M10,1:00')).toBe('E14');
    expect(await client.ask('Pb=efbeadde00000080')).toBe('OK');
    expect(await client.register(A1)).toBe(0x80000000deadbeefn);
    const general = await client.ask('g');
    expect(general).toHaveLength(33 * 16);
    expect(general.slice(A1 * 16, A1 * 16 + 16)).toBe('efbeadde00000080');
    expect(await client.ask(`G${general}`)).toBe('OK');
    expect(await client.register(SATP)).toBe(0n);
    expect(await client.ask('p9999')).toBe('E01');
    expect(await client.ask('Pb=00')).toBe('E01');
    client.close();
  });

  it('describes the registers, in pieces', async () => {
    const { client } = await debug();
    const first = await client.ask('qXfer:features:read:target.xml:0,400');
    expect(first).toHaveLength(0x401);
    let xml = first.slice(1);
    for (let more = first[0]; more === 'm'; ) {
      const next = await client.ask(`qXfer:features:read:target.xml:${hex(xml.length)},400`);
      more = next[0];
      xml += next.slice(1);
    }
    expect(xml).toContain('<reg name="pc" bitsize="64" regnum="32" type="code_ptr"/>');
    expect(xml).toContain('<reg name="satp" bitsize="64" regnum="449" type="int"/>');
    expect(xml.endsWith('</target>')).toBe(true);
    client.close();
  });

  it('answers monitor commands', async () => {
    const { client } = await debug();
    const vtop = await client.monitor(`vtop gpa ${at('counter')}`);
    expect(vtop).toMatch(/^gpa +0x80001000 gfn 0x80001$/m);
    expect(vtop).toMatch(/^spte +none$/m);
    expect(await client.monitor('mem')).toBe('No translation or protection\n');
    expect(await client.monitor('tlb')).toBe('the TLB is empty\n');
    expect(await client.monitor('vtop x')).toBe('usage: monitor vtop [gva|gpa|hva] ADDRESS\n');
    expect(await client.monitor('reclaim')).toBe('usage: monitor reclaim N\n');
    expect(await client.monitor('nothing')).toMatch(/^no such command: nothing\n/);
    client.close();
  });

  it('reads pages that are in the swap area, and leaves them there', async () => {
    const { client, exit } = await debug();
    expect(await client.monitor('reclaim 2')).toMatch(/^[23] pages freed\n$/);
    expect(await client.monitor(`vtop ${at('counter')}`)).toMatch(/^swap +slot \d+$/m);
    expect(await client.ask(`m${hex(at('counter'))},8`)).toBe('8877665544332211');
    const swap = await client.monitor('swap');
    expect(swap).toMatch(/^pswpin 0$/m);
    expect(swap).toMatch(/^pswpout [1-9]\d*$/m);
    expect(await client.ask(`M${hex(at('counter'))},1:00`)).toBe('E14');
    expect(await client.ask('c')).toBe('W00;process:1');
    expect(await exit).toBe(0);
  });

  it('stops a running guest for Ctrl-C, refuses damaged packets, and lets go when the client does', async () => {
    const { client, exit, address } = await debug('--vcpus', '2', '--seconds', '20');
    const spins = `Z0,${hex(at('loop'))},4`;
    expect(await client.ask(spins)).toBe('OK');
    client.sendRaw('$c#00');
    const resume = framed('vCont;c:p1.2');
    client.sendRaw(resume.slice(0, 5));
    client.sendRaw(resume.slice(5));
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.sendRaw('\x03');
    expect(await client.reply()).toBe('T02thread:p1.1;');
    expect(await client.ask('Hgp1.2')).toBe('OK');
    expect(Number(await client.register(PC))).toBe(at('spin'));
    await expect(RspClient.open(address).then((second) => second.ask('?'))).rejects.toThrow();
    expect(await client.ask('D')).toBe('OK');
    expect(await exit).toBe(0);
  });

  it('ends the run when the client kills it', async () => {
    const { client, exit } = await debug();
    client.sendRaw('$k#6b');
    expect(await exit).toBe(130);
  });

  it('says in one line that the port is taken, or that -S has nobody to wait for', async () => {
    const { client, address } = await debug();
    const port = address.split(':')[1]!;
    expect(umbra('run', '--gdb', port, 'count.elf')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(new RegExp(`^umbra: cannot listen on port ${port}: [^\\n]*\\n$`)),
    });
    client.close();
    expect(umbra('run', '-S', 'count.elf').stderr).toBe(
      'umbra: -S waits for a debugger, which needs -s or --gdb <port>\n',
    );
  });
});

const GDB = spawnSync('gdb-multiarch', ['--version']).error === undefined;

describe.skipIf(!GDB)('gdb-multiarch', () => {
  it('breaks, steps, watches, backtraces and asks the monitor', async () => {
    const { address, exit } = await serve();
    const script = `
set pagination off
set remotetimeout 60
file count.elf
target remote ${address}
break increment
continue
backtrace
finish
delete
watch *(long*)&counter
continue
stepi
p/x $mhartid
p/x $satp
info threads
monitor vtop ${at('counter')}
continue
delete
continue
`;
    writeFileSync(join(FOLDER, 'script.gdb'), script);
    const { stdout, stderr } = spawnSync('gdb-multiarch', ['-nx', '-batch', '-x', 'script.gdb'], {
      cwd: FOLDER,
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(stdout).toMatch(/Breakpoint 1, 0x[0-9a-f]+ in increment \(\)/);
    expect(stdout).toMatch(/#0 +0x[0-9a-f]+ in increment \(\)\n#1 +0x[0-9a-f]+ in loop \(\)/);
    expect(stdout).toMatch(/Hardware watchpoint 2: [^\n]*\n\nOld value = 1\nNew value = 2\n/);
    expect(stdout).toMatch(/\$1 = 0x0\n\$2 = 0x0\n/);
    expect(stdout).toMatch(/Thread 1\.1 \(vCPU#0 \[machine\]\)/);
    // What the monitor says goes there.
    expect(stderr).toMatch(/^gpa +0x80001000 gfn 0x80001$/m);
    expect(stdout).toMatch(/Old value = 2\nNew value = 3\n/);
    expect(stdout).toMatch(/\[Inferior 1 \(process 1\) exited normally\]/);
    expect(await exit).toBe(0);
  });
});
