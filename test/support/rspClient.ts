// A client of GDB's remote protocol, for tests: one packet out, one reply in.

import { connect, type Socket } from 'node:net';

export class RspClient {
  readonly #socket: Socket;
  #pending = '';
  #waiting: { resolve: (data: string) => void; reject: (error: Error) => void } | null = null;
  #isClosed = false;
  #replies: string[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#take(bytes.toString('latin1')));
    socket.on('close', () => {
      this.#isClosed = true;
      this.#waiting?.reject(new Error('the connection is closed'));
    });
  }

  /** `address` is host:port. */
  static open(address: string): Promise<RspClient> {
    const [host, port] = address.split(':');
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), host!, () => resolve(new RspClient(socket)));
      socket.on('error', reject);
    });
  }

  /** Sends a packet and resolves with the data of the next reply. */
  ask(data: string): Promise<string> {
    this.sendRaw(framed(data));
    return this.reply();
  }

  sendRaw(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  reply(): Promise<string> {
    const known = this.#replies.shift();
    if (known !== undefined) return Promise.resolve(known);
    if (this.#isClosed) return Promise.reject(new Error('the connection is closed'));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** Text of a monitor command. */
  async monitor(command: string): Promise<string> {
    const reply = await this.ask(`qRcmd,${Buffer.from(command).toString('hex')}`);
    if ((await this.reply()) !== 'OK') throw new Error('monitor did not end with OK');
    return Buffer.from(reply.slice(1), 'hex').toString();
  }

  /** A register by its number. */
  async register(number: number): Promise<bigint> {
    return Buffer.from(await this.ask(`p${number.toString(16)}`), 'hex').readBigUInt64LE();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#pending += text;
    for (;;) {
      const match = /^[+-]*\$([^#]*)#(..)/s.exec(this.#pending);
      if (match === null) return;
      this.#pending = this.#pending.slice(match[0].length);
      const data = match[1]!;
      if (sumOf(data) !== match[2]) throw new Error(`wrong checksum of ${data}`);
      this.#socket.write('+');
      const plain = data.replace(/\}(.)/gs, (_, c: string) => String.fromCharCode(c.charCodeAt(0) ^ 0x20));
      if (this.#waiting === null) this.#replies.push(plain);
      else {
        const { resolve } = this.#waiting;
        this.#waiting = null;
        resolve(plain);
      }
    }
  }
}

/** "$data#sum". */
export const framed = (data: string): string => `$${data}#${sumOf(data)}`;

const sumOf = (data: string): string =>
  ([...data].reduce((sum, c) => sum + c.charCodeAt(0), 0) & 255).toString(16).padStart(2, '0');
