import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../lib/run-command.js';

export interface UmlOptions {
  /** An existing directory, not on a tmpfs: the guest sees it at the same path. */
  readonly directory: string;
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Image files with an XFS each, and where the guest mounts them: existing directories below `directory`. */
  readonly bricks: readonly { readonly image: string; readonly mountPoint: string }[];
  readonly timeoutMs: number;
}

export interface UmlResult {
  /** Undefined: the guest was ended because it took too long. */
  readonly code: number | undefined;
  readonly output: string;
}

const MEMORY = '2G';
/** The guest's own filesystems on top of the host's files, so that it writes nothing but below `directory`. */
const TMPFS = ['/run', '/tmp', '/var/log', '/var/lib/glusterd'];

function quote(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function device(index: number): string {
  return `/dev/ubd${String.fromCodePoint('a'.charCodeAt(0) + index)}`;
}

/** The first process of the guest. Its root is the host's, so the programs are the host's too. */
function initScript({ directory, command, cwd, env, bricks }: UmlOptions): string {
  const file = (name: string): string => quote(join(directory, name));
  return [
    '#!/bin/sh',
    'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    `exec >${file('boot')} 2>&1 </dev/null`,
    'mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev',
    ...TMPFS.map((path) => `if [ -d ${path} ]; then mount -t tmpfs -o mode=1777 tmpfs ${path}; fi`),
    'ip link set lo up',
    'for module in fs/fuse/fuse drivers/block/loop; do insmod "/usr/lib/uml/modules/$(uname -r)/kernel/$module.ko"; done',
    ...bricks.map(({ mountPoint }, index) => `mount -o prjquota,noatime ${device(index)} ${quote(mountPoint)}`),
    'grep -q prjquota /proc/mounts || echo "no project quota"',
    `cd ${quote(cwd)}`,
    `env ${Object.entries(env)
      .map(([name, value]) => quote(`${name}=${value}`))
      .join(' ')} ${command.map(quote).join(' ')} >${file('output')} 2>&1`,
    `echo $? >${file('status')}`,
    'sync; echo o >/proc/sysrq-trigger; sleep 60',
    '',
  ].join('\n');
}

async function readIfThere(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

/**
 * Boots Debian's user-mode-linux (packages user-mode-linux and kmod) on the host's files, runs a command in it as root,
 * and switches it off. Loopback is its only network.
 * @throws Error with the guest's messages when it does not come as far as running the command
 */
export async function bootUml(options: UmlOptions): Promise<UmlResult> {
  const { directory, bricks, timeoutMs } = options;
  const init = join(directory, 'init');
  await writeFile(init, initScript(options), { mode: 0o755 });
  await mkdir(join(directory, 'uml'));
  const { stdout, stderr } = await runCommand(
    'unshare',
    [
      // In a pid namespace, so that the processes of the guest, which are processes of the host, end with it.
      ...['--pid', '--fork', '--kill-child', '--', 'linux.uml'],
      ...[`mem=${MEMORY}`, `uml_dir=${join(directory, 'uml')}/`, 'umid=guest'],
      ...['root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'rw', `init=${init}`],
      ...bricks.map(({ image }, index) => `ubd${index}=${image}`),
      ...['con=null', 'con0=fd:0,fd:1', 'quiet'],
    ],
    // The guest's memory is a file below TMPDIR, which may be on a disk; without it, in /dev/shm.
    { timeoutMs, env: { ...process.env, TMPDIR: undefined } },
  );
  const output = await readIfThere(join(directory, 'output'));
  const status = await readIfThere(join(directory, 'status'));
  if (status !== '') return { code: Number(status), output };
  const boot = await readIfThere(join(directory, 'boot'));
  if (output !== '') return { code: undefined, output };
  throw new Error(`user-mode-linux did not run the command:\n${boot}${stdout.slice(-4000)}${stderr.slice(-4000)}`);
}
