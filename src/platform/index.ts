// The face of platform/: what Umbra needs of Node. mm and trace declare the interfaces; here stand the real things.

export { breakable } from './breakable.ts';
export { Digest } from './digest.ts';
export { compileForGuests, optimiseJavaScript } from './engineFlags.ts';
export { Interrupt, Interrupted, SLICE_MS, sliceTimer, turnEventLoop } from './eventLoop.ts';
export { FileError, fileError } from './fileError.ts';
export { FileSpool } from './fileSpool.ts';
export { makeFolder, readInputFile, readStandardInput, writeOutputFile } from './files.ts';
export { OutputFile } from './outputFile.ts';
export { openSwapFile, SwapFile, type SwapFileOptions } from './swapFile.ts';
export { TcpServer } from './tcpServer.ts';
export { Watch } from './watch.ts';
export { inWorker, Workers } from './workers.ts';
