import { runUnprivileged } from './published-volume.js';

/** Files that GlusterFS' quota lets in at the most before marker has counted the one that reaches the limit; 7 were seen. */
export const COUNTED_LATE = 30;

export interface FilledWithFiles {
  /** How many the directory got. */
  readonly files: number;
  /** Why there is not another one; empty when nothing stopped it. */
  readonly error: string;
}

/** An unprivileged process makes empty files in a directory, 200 at the most, until one is refused. */
export async function fillWithFiles(directory: string, prefix = 'file'): Promise<FilledWithFiles> {
  const script = `i=0; while [ $i -lt 200 ]; do : > ${prefix}-$i || break; i=$((i+1)); done; echo $i`;
  const { stdout, stderr } = await runUnprivileged(directory, 'bash', ['-c', script]);
  return { files: Number(stdout), error: stderr };
}
