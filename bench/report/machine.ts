import { cpus, release, totalmem } from 'node:os';
import { runCommand } from '../../test/lib/run-command.js';

/** What the figures were measured on. */
export interface Machine {
  /** ISO 8601, the day alone. */
  readonly date: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly gluster: string;
}

export async function describeMachine(): Promise<Machine> {
  const { stdout } = await runCommand('glusterfs', ['--version']);
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: /^\d+\.\d+/.exec(release())?.[0] ?? 'unknown',
    node: process.versions.node,
    gluster: /^glusterfs (\S+)/.exec(stdout)?.[1] ?? 'unknown',
  };
}
