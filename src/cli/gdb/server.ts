// The GDB server of a run: the connection, and who has the say: the debugger, or the run.
//
// session.ts asks it before each slice (`pause`), which waits while the debugger holds the machine. Without a client
// the machine runs, unless it was to wait for one (-S).

import type { Machine } from '../../machine.ts';
import { TcpServer } from '../../platform/index.ts';
import { frame, PacketReader } from './packets.ts';
import { type Answer, GdbStub } from './stub.ts';

export interface GdbChoice {
  /** Of 127.0.0.1; 0: a free one. */
  readonly port: number;
  /** -S: the guest starts when a debugger says so. */
  readonly waits: boolean;
}

const ACKNOWLEDGE = '+';
const REFUSE = '-';

export class GdbServer {
  readonly #stub: GdbStub;
  #tcp: TcpServer | null = null;
  #reader = new PacketReader();
  #acknowledges = true;
  /** A stop that the client has not heard of. */
  #owesReply = false;
  #wake: () => void = () => {};
  /** The client wants the run to end. */
  isKilled = false;

  private constructor(machine: Machine) {
    this.#stub = new GdbStub(machine);
  }

  /** Opens the port; the VM of `machine` exists. Rejects with FileError. */
  static async open(machine: Machine, { port, waits }: GdbChoice): Promise<GdbServer> {
    const server = new GdbServer(machine);
    if (waits) server.#stub.debugger.halt(0);
    server.#tcp = await TcpServer.listen(port, {
      connected: () => server.#connected(),
      received: (bytes) => server.#received(bytes),
      disconnected: () => server.#disconnected(),
    });
    process.stderr.write(`umbra: gdb server on ${server.#tcp.address}\n`);
    return server;
  }

  get isStopped(): boolean {
    return this.#stub.debugger.isStopped;
  }

  /** Tells the client that the machine stands, if it does; resolves when it may run, is killed, or `signal` is aborted. */
  async pause(signal: AbortSignal): Promise<void> {
    this.#report();
    while (this.isStopped && !this.isKilled && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  /** The run is over, with this exit code. */
  finish(exitCode: number): void {
    if (this.#owesReply) this.#send(`W${(exitCode & 255).toString(16).padStart(2, '0')};process:1`);
    this.#tcp?.close();
  }

  #report(): void {
    const { stop } = this.#stub.debugger;
    if (stop === null || !this.#owesReply) return;
    this.#owesReply = false;
    this.#send(this.#stub.stopReply(stop));
  }

  #connected(): void {
    this.#reader = new PacketReader();
    this.#acknowledges = true;
    this.#owesReply = false;
    this.#stub.debugger.halt(0);
  }

  #disconnected(): void {
    this.#stub.debugger.detach();
    this.#wake();
  }

  #received(bytes: Uint8Array): void {
    for (const incoming of this.#reader.take(bytes)) {
      if (incoming.kind === 'interrupt') {
        this.#stub.debugger.halt(0);
        this.#wake();
      } else if (this.#acknowledges) this.#tcp?.send(incoming.kind === 'bad' ? REFUSE : ACKNOWLEDGE);
      if (incoming.kind === 'packet') this.#apply(this.#stub.handle(incoming.data));
    }
  }

  #apply({ replies, effect, stopsAcknowledging }: Answer): void {
    for (const reply of replies) this.#send(reply);
    if (stopsAcknowledging) this.#acknowledges = false;
    if (effect === undefined) return;
    this.#owesReply = effect === 'resumed';
    this.isKilled ||= effect === 'killed';
    this.#wake();
  }

  #send(data: string): void {
    this.#tcp?.send(frame(data));
  }
}
