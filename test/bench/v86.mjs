// Runs a multiboot kernel in v86 until it has printed a line on the serial port: node v86.mjs FOLDER KERNEL, where FOLDER
// has libv86.mjs and v86.wasm. A program of its own, in a process of its own, as every peer (peers.ts).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, kernel] = process.argv.slice(2);
const { V86 } = await import(pathToFileURL(join(folder, 'libv86.mjs')).href);
const bytes = readFileSync(kernel);
const emulator = new V86({
  wasm_path: join(folder, 'v86.wasm'),
  memory_size: 32 * 2 ** 20,
  vga_memory_size: 2 * 2 ** 20,
  multiboot: { buffer: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) },
  autostart: true,
});
emulator.add_listener('serial0-output-byte', (byte) => {
  process.stdout.write(String.fromCharCode(byte));
  if (byte === 10) process.exit(0);
});
