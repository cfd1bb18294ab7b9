import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';

/** Keeps a device open, so that what is written stays in memory until it is synced: a close would wait for it. */
const SCRIPT = `
const fs = require('node:fs');
const fd = fs.openSync(process.argv[1], 'r+');
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const [what, byte, start, length] = line.split(' ');
  try {
    if (what === 'write') fs.writeSync(fd, Buffer.alloc(Number(length), Number(byte)), 0, Number(length), Number(start));
    if (what === 'sync') fs.fsyncSync(fd);
    console.log('ok');
  } catch (error) {
    console.log(error.code);
  }
}).on('close', () => process.exit());
`;

/** A process that writes to a block device, as a pod would. */
export class DeviceWriter {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  constructor(device: string) {
    this.#child = spawn(process.execPath, ['-e', SCRIPT, device], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error('no pipe');
    this.#lines = createInterface({ input: this.#child.stdout });
  }

  /** Fills a part of the device with one byte's value; it is in memory then. */
  async write(byte: number, start: number, length: number): Promise<void> {
    const answer = await this.#ask(`write ${byte} ${start} ${length}`);
    if (answer !== 'ok') throw new Error(`write: ${answer}`);
  }

  /** fsync(2). @returns `ok` or the errno's name */
  sync(): Promise<string> {
    return this.#ask('sync');
  }

  async #ask(line: string): Promise<string> {
    const answer = once(this.#lines, 'line');
    this.#child.stdin?.write(`${line}\n`);
    return String((await answer)[0]);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }
}
