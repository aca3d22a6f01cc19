// The swap file on a real disk: which files it takes, what it leaves behind, and that pages come back.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileError, openSwapFile, type SwapFile } from '../../src/platform/index.ts';
import { type SwapSlot, swapSlot } from '../../src/units.ts';

const BYTES = 64 * 4096;
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'umbra-test-'));
  path = join(folder, 'swap');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (bytes = BYTES): Promise<SwapFile> => openSwapFile({ path, bytes });
const page = (byte: number): Uint8Array => new Uint8Array(4096).fill(byte);

function transfer(device: SwapFile, write: boolean, slot: SwapSlot, memory: Uint8Array): number {
  let result = -1;
  device.submit({
    write,
    slot,
    memory,
    done: (errno) => {
      result = errno;
    },
  });
  return result;
}

describe('pages', () => {
  it('come back as they went out, also after other pages went over them', async () => {
    const device = await open();
    expect(device.slots).toBe(64);
    for (let slot = 1; slot < 64; slot++) expect(transfer(device, true, swapSlot(slot), page(slot))).toBe(0);
    transfer(device, true, swapSlot(5), page(200));
    for (let slot = 1; slot < 64; slot++) {
      const memory = page(0);
      expect(transfer(device, false, swapSlot(slot), memory)).toBe(0);
      expect(memory).toEqual(page(slot === 5 ? 200 : slot));
    }
    device.close();
  });

  it('of a file that somebody cut off are an I/O error', async () => {
    const device = await open();
    for (const slot of [8, 9, 10]) transfer(device, true, swapSlot(slot), page(slot));
    truncateSync(path, 10 * 4096 + 100);
    expect(transfer(device, false, swapSlot(9), page(0))).toBe(0);
    expect(transfer(device, false, swapSlot(10), page(0))).toBe(5);
    truncateSync(path, 9 * 4096);
    transfer(device, true, swapSlot(10), page(10));
    expect(transfer(device, false, swapSlot(8), page(0))).toBe(0);
    expect(transfer(device, false, swapSlot(9), page(0))).toBe(5);
    expect(transfer(device, false, swapSlot(10), page(0))).toBe(0);
    device.close();
  });

  it('that somebody else wrote over are an I/O error', async () => {
    const device = await open();
    transfer(device, true, swapSlot(3), page(3));
    const file = openSync(path, 'r+');
    writeSync(file, page(4), 17, 1, 3 * 4096 + 17);
    closeSync(file);
    expect(transfer(device, false, swapSlot(3), page(0))).toBe(5);
    device.close();
  });

  it('of a closed file are an error, not an exception', async () => {
    const device = await open();
    device.close();
    expect(transfer(device, false, swapSlot(1), page(0))).toBe(9);
  });
});

describe('a file that is absent', () => {
  it('is created whole, for the owner alone, and removed at the end', async () => {
    const device = await open();
    const stats = statSync(path);
    expect([stats.size, stats.mode & 0o777]).toEqual([BYTES, 0o600]);
    expect(stats.blocks * 512).toBeGreaterThanOrEqual(BYTES);
    expect(readFileSync(path).subarray(0, 8).toString()).toBe('UMBRASWP');
    device.close();
    device.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is removed when the process ends in the middle', () => {
    const script = `
      import { openSwapFile } from ${JSON.stringify(join(import.meta.dirname, '../../src/platform/index.ts'))};
      await openSwapFile({ path: ${JSON.stringify(path)}, bytes: ${BYTES} });
      throw new Error('a bug');`;
    const run = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    expect(run.stderr.toString()).toMatch(/a bug/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is not removed if it is somebody else’s by then', async () => {
    const device = await open();
    rmSync(path);
    writeFileSync(path, 'precious');
    device.close();
    expect(readdirSync(folder)).toEqual(['swap']);
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  it('cannot be created in a folder that is not there', async () => {
    path = join(folder, 'no', 'swap');
    await expect(open()).rejects.toThrow(FileError);
    await expect(open()).rejects.toThrow(/^cannot create [^\n]*swap\.lock: no such file or directory$/);
  });
});

describe('without the fallocate command', () => {
  it('the space is taken by writing zeros', async () => {
    const { PATH } = process.env;
    process.env.PATH = '';
    try {
      const device = await open(3 * 2 ** 20 + 4096);
      expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(3 * 2 ** 20 + 4096);
      device.close();
    } finally {
      process.env.PATH = PATH;
    }
  });
});

describe('a file that exists', () => {
  it('and is empty is used, and left as a header', async () => {
    writeFileSync(path, '');
    const device = await open();
    transfer(device, true, swapSlot(3), page(7));
    device.close();
    expect(readdirSync(folder)).toEqual(['swap']);
    const left = readFileSync(path);
    expect([left.length, left.subarray(0, 8).toString()]).toEqual([4096, 'UMBRASWP']);
  });

  it('and carries our header is used again', async () => {
    writeFileSync(path, '');
    (await open()).close();
    const device = await open(2 * BYTES);
    expect([device.slots, statSync(path).size]).toEqual([128, 2 * BYTES]);
    device.close();
    expect(existsSync(path)).toBe(true);
  });

  it.each([
    ['something else', 'my thesis'],
    ['a page of something else', 'x'.repeat(8192)],
    ['only a part of our header', 'UMBRASWP'],
  ])('and holds %s is refused and left alone', async (_, content) => {
    writeFileSync(path, content);
    await expect(open()).rejects.toThrow(/holds something else/);
    expect(readFileSync(path, 'utf8')).toBe(content);
    expect(readdirSync(folder)).toEqual(['swap']);
  });

  it('and is a link, also a dangling or a hard one, is refused', async () => {
    const target = join(folder, 'target');
    symlinkSync(target, path);
    await expect(open()).rejects.toThrow(/is a symbolic link/);
    writeFileSync(target, '');
    await expect(open()).rejects.toThrow(/is a symbolic link/);
    rmSync(path);
    linkSync(target, path);
    await expect(open()).rejects.toThrow(/has other names/);
    expect(statSync(target).size).toBe(0);
  });

  it('and is a directory, a device or a pipe is refused', async () => {
    mkdirSync(path);
    await expect(open()).rejects.toThrow(/is a directory/);
    rmSync(path, { recursive: true });
    execFileSync('mkfifo', [path]);
    await expect(open()).rejects.toThrow(/is not a regular file/);
    path = '/dev/null';
    await expect(open()).rejects.toThrow(/is not a regular file/);
  });
});

describe('two runs on one file', () => {
  it('the second one is refused while the first lives', async () => {
    const device = await open();
    await expect(open()).rejects.toThrow(new RegExp(`in use by another run \\(.*:${process.pid}\\)`));
    transfer(device, true, swapSlot(1), page(1));
    device.close();
    (await open()).close();
  });

  it('a run that was killed does not keep the next one out', async () => {
    const script = `
      import { openSwapFile } from ${JSON.stringify(join(import.meta.dirname, '../../src/platform/index.ts'))};
      await openSwapFile({ path: ${JSON.stringify(path)}, bytes: ${BYTES} });
      console.log('open');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await expect(open()).rejects.toThrow(/in use by another run/);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    expect(readdirSync(folder).sort()).toEqual(['swap', 'swap.lock']);
    const device = await open();
    expect(readlinkSync(`${path}.lock`)).toBe(`${hostname()}:${process.pid}`);
    device.close();
    expect(readdirSync(folder)).toEqual(['swap']);
  });

  it('a lock of another host counts as taken', async () => {
    symlinkSync('elsewhere:1', `${path}.lock`);
    await expect(open()).rejects.toThrow(/in use by another run \(elsewhere:1\); if not, remove/);
    expect(existsSync(path)).toBe(false);
  });

  it('a file in the place of the lock is an error', async () => {
    writeFileSync(`${path}.lock`, '');
    await expect(open()).rejects.toThrow(/is not a lock/);
  });
});

describe('without a path', () => {
  it('the file has no name', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('umbra-swap'));
    const device = await openSwapFile({ path: null, bytes: BYTES });
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('umbra-swap'))).toEqual(before);
    transfer(device, true, swapSlot(63), page(9));
    const memory = page(0);
    expect(transfer(device, false, swapSlot(63), memory)).toBe(0);
    expect(memory).toEqual(page(9));
    device.close();
  });
});

describe('a disk that is full', () => {
  it('is an error at the start, and leaves nothing behind', () => {
    const script = `
      import { openSwapFile } from ${JSON.stringify(join(import.meta.dirname, '../../src/platform/index.ts'))};
      process.on('SIGXFSZ', () => {});
      await openSwapFile({ path: ${JSON.stringify(path)}, bytes: ${4 * 2 ** 20} }).catch((e) => console.log(e.name, e.message));`;
    const command = 'ulimit -f 1024; exec "$0" --import tsx --input-type=module -e "$1"';
    const run = spawnSync('sh', ['-c', command, process.execPath, script]);
    expect(run.stdout.toString()).toMatch(
      /^FileError cannot write 4194304 bytes of swap to [^\n]*: file too large\n$/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is an error where zeros must be written, too', () => {
    const script = `
      import { openSwapFile } from ${JSON.stringify(join(import.meta.dirname, '../../src/platform/index.ts'))};
      process.env.PATH = '';
      process.on('SIGXFSZ', () => {});
      await openSwapFile({ path: ${JSON.stringify(path)}, bytes: ${4 * 2 ** 20} }).catch((e) => console.log(e.name, e.message));`;
    const command = 'ulimit -f 1024; exec "$0" --import tsx --input-type=module -e "$1"';
    const run = spawnSync('sh', ['-c', command, process.execPath, script]);
    expect(run.stdout.toString()).toMatch(
      /^FileError cannot write 4194304 bytes of swap to [^\n]*: file too large\n$/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it('interrupted while it is filled, the file is removed', async () => {
    const controller = new AbortController();
    controller.abort(new Error('interrupted'));
    await expect(openSwapFile({ path, bytes: BYTES, signal: controller.signal })).rejects.toThrow(
      'interrupted',
    );
    expect(readdirSync(folder)).toEqual([]);
  });
});
