// A TCP server on the loopback interface, for one client at a time: debuggers connect to it.
//
// Used by cli/gdb. Nobody outside this machine can reach it. A second client is turned away.

import { createServer, type Server, type Socket } from 'node:net';
import { FileError } from './fileError.ts';

const LOOPBACK = '127.0.0.1';

export interface TcpHandler {
  connected(): void;
  received(bytes: Uint8Array): void;
  disconnected(): void;
}

export class TcpServer {
  readonly #server: Server;
  #client: Socket | null = null;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens on `port` of 127.0.0.1; 0 takes a free one. Rejects with FileError. */
  static listen(port: number, handler: TcpHandler): Promise<TcpServer> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      const tcp = new TcpServer(server);
      server.on('connection', (socket) => tcp.#accept(socket, handler));
      server.once('error', (error) =>
        reject(new FileError(`cannot listen on port ${port}: ${error.message}`)),
      );
      server.listen(port, LOOPBACK, () => resolve(tcp));
    });
  }

  /** "127.0.0.1:1234". */
  get address(): string {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? `${LOOPBACK}:${address.port}` : '';
  }

  send(text: string): void {
    this.#client?.write(text, 'latin1');
  }

  close(): void {
    this.#client?.end();
    this.#server.close();
  }

  #accept(socket: Socket, handler: TcpHandler): void {
    if (this.#client !== null) {
      socket.destroy();
      return;
    }
    this.#client = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => handler.received(bytes));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#client = null;
      handler.disconnected();
    });
    handler.connected();
  }
}
