// A lock on a file that only one run may use: a symbolic link `FILE.lock` that points to "host:process".
//
// Called by swapFilePath.ts. A link, as Emacs makes them, since it is created together with its content: nobody ever
// reads half a lock. A lock whose process is gone is taken over, by a rename that only one can win.

import { readlinkSync, renameSync, symlinkSync, unlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { codeOf, FileError, fileError } from './fileError.ts';

const ATTEMPTS = 8;

/** Returns the function that unlocks. Throws FileError if a living process has the lock or it cannot be made. */
export function lockFile(path: string): () => void {
  const link = `${path}.lock`;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (tryLock(link)) return () => removeQuietly(link);
    breakIfStale(link, path);
  }
  throw new FileError(`${link}: other processes keep taking the lock`);
}

/** Removes a file that may be gone already. */
export function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) === null) throw error;
  }
}

function tryLock(link: string): boolean {
  try {
    symlinkSync(`${hostname()}:${process.pid}`, link);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw fileError(`cannot create ${link}`, error);
  }
}

function breakIfStale(link: string, path: string): void {
  const owner = readOwner(link);
  if (owner === null) return;
  if (isAlive(owner)) {
    throw new FileError(`${path} is in use by another run (${owner}); if not, remove ${link}`);
  }
  const taken = `${link}.${process.pid}`;
  try {
    renameSync(link, taken);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw fileError(`cannot take over ${link}`, error);
  }
  if (readOwner(taken) === owner) removeQuietly(taken);
  else giveBack(taken, link, path);
}

/** Between our look and our rename somebody else took the lock over. */
function giveBack(taken: string, link: string, path: string): never {
  renameSync(taken, link);
  throw new FileError(`${path} is in use by another run`);
}

/** Null when the lock is gone. */
function readOwner(link: string): string | null {
  try {
    return readlinkSync(link);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw fileError(`${link} is not a lock of Umbra`, error);
  }
}

/** On another host, or not to be told: alive. */
function isAlive(owner: string): boolean {
  const colon = owner.lastIndexOf(':');
  const pid = Number(owner.slice(colon + 1));
  if (owner.slice(0, colon) !== hostname() || !Number.isSafeInteger(pid) || pid <= 0) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}
