import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, runCommand } from '../lib/run-command.js';
import { bootUml } from './uml.js';

export interface ProjectQuotaRun {
  /** A directory for this run alone; made, and removed at the end. Short, as sockets may lie below it (unix(7)). */
  readonly directory: string;
  /** Filesystems to make, each an XFS with project quota in an image file (sparse). */
  readonly bricks: number;
  readonly brickMiB: number;
  /** What to run, with KAYAL_TEST_BRICKS naming the mount points, separated by colons, and KAYAL_TEST_DIRECTORY. */
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface ProjectQuotaResult {
  readonly where: 'host' | 'user-mode-linux';
  /** Undefined: it was ended because it took too long. */
  readonly code: number | undefined;
  /** What the command wrote to its standard output and error. */
  readonly output: string;
}

interface Brick {
  readonly image: string;
  readonly mountPoint: string;
}

async function makeBrick(directory: string, number: number, mib: number): Promise<Brick> {
  const brick = { image: join(directory, `xfs-${number}.img`), mountPoint: join(directory, `xfs-${number}`) };
  await mkdir(brick.mountPoint);
  await mustRun('truncate', ['--size', `${mib}M`, brick.image]);
  // 512: room for GlusterFS' extended attributes in the inode itself.
  await mustRun('mkfs.xfs', ['-q', '-i', 'size=512', brick.image]);
  return brick;
}

/** False: this kernel has no project quota on XFS, which makes mount(2) refuse the option. */
async function mountHere({ image, mountPoint }: Brick): Promise<boolean> {
  const { code } = await runCommand('mount', ['-t', 'xfs', '-o', 'loop,prjquota,noatime', image, mountPoint]);
  return code === 0;
}

async function runHere(run: ProjectQuotaRun, env: Readonly<Record<string, string>>): Promise<ProjectQuotaResult> {
  const [program, ...args] = run.command;
  const { code, stdout, stderr } = await runCommand(program, args, {
    cwd: run.cwd,
    env: { ...process.env, ...env },
    timeoutMs: run.timeoutMs,
  });
  return { where: 'host', code, output: `${stdout}${stderr}` };
}

/**
 * Runs a command where XFS has project quota: here when the kernel has it, else in Debian's user-mode-linux, on the same
 * files. What the command needs of the machine must be there: its programs, and no network but loopback.
 * @throws Error when the filesystems cannot be made or user-mode-linux does not boot
 */
export async function runWithProjectQuota(run: ProjectQuotaRun): Promise<ProjectQuotaResult> {
  await mkdir(run.directory, { recursive: true });
  // Users other than root have to reach what lies below it, and mkdtemp(3) makes it for root alone.
  await chmod(run.directory, 0o755);
  const bricks: Brick[] = [];
  const mounted: Brick[] = [];
  try {
    for (let number = 1; number <= run.bricks; number++) {
      bricks.push(await makeBrick(run.directory, number, run.brickMiB));
    }
    for (const brick of bricks) if (await mountHere(brick)) mounted.push(brick);
    const env = {
      ...run.env,
      KAYAL_TEST_BRICKS: bricks.map(({ mountPoint }) => mountPoint).join(':'),
      KAYAL_TEST_DIRECTORY: run.directory,
    };
    if (mounted.length === bricks.length) return await runHere(run, env);
    return { where: 'user-mode-linux', ...(await bootUml({ ...run, env, bricks })) };
  } finally {
    for (const { mountPoint } of mounted) await mustRun('umount', ['--lazy', mountPoint]);
    await rm(run.directory, { recursive: true, force: true });
  }
}
