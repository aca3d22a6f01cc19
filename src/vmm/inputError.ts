// What a user of Umbra can cause, a bad program or a bad size: an error of one clear line.
//
// Thrown by the ELF reader, the loader, machine.ts and the flags of cli/, which prints it and exits with 2.

export class InputError extends Error {
  override readonly name = 'InputError';
}
