import { readdir, readFile } from 'node:fs/promises';
import { readMountinfo } from '../../src/linux/mountinfo.js';
import { isProcessAlive, startTimeOf } from '../../src/linux/process-info.js';
import { runCommand } from './run-command.js';
import { waitFor } from './wait.js';

export interface RunningProcess {
  readonly pid: number;
  readonly startTime: string;
  readonly command: string;
}

/** What a test run has not taken away. */
export interface Leftovers {
  readonly processes: readonly RunningProcess[];
  /** Mount points, the youngest first. */
  readonly mounts: readonly string[];
  readonly loopDevices: readonly { readonly device: string; readonly file: string }[];
}

async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}

/** The processes (but this one) whose command line, arguments joined by spaces, or environment passes the test. */
export async function findProcesses(
  test: (command: string, environment: () => Promise<string>) => boolean | Promise<boolean>,
): Promise<readonly RunningProcess[]> {
  const found: RunningProcess[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const command = (await readText(`/proc/${pid}/cmdline`)).replaceAll('\0', ' ');
    if (!(await test(command, () => readText(`/proc/${pid}/environ`)))) continue;
    const startTime = await startTimeOf(pid);
    if (startTime === undefined || !(await isProcessAlive(pid, startTime))) continue;
    found.push({ pid, startTime, command: command.trim() });
  }
  return found;
}

/** Processes that were started under the directory: their arguments or their environment (TMPDIR) name it. */
function processesOf(directory: string): Promise<readonly RunningProcess[]> {
  const isNamedIn = (text: string): boolean =>
    [`${directory}/`, `${directory} `, `${directory}\0`].some((name) => text.includes(name));
  return findProcesses(async (command, environment) => isNamedIn(command) || isNamedIn(await environment()));
}

async function mountsUnder(directory: string): Promise<readonly string[]> {
  const entries = await readMountinfo();
  return entries
    .map(({ target }) => target)
    .filter((target) => target === directory || target.startsWith(`${directory}/`))
    .reverse();
}

async function loopDevicesOf(directory: string): Promise<Leftovers['loopDevices']> {
  const names = (await readdir('/sys/block').catch(() => [])).filter((name) => name.startsWith('loop'));
  const files = await Promise.all(names.map((name) => readText(`/sys/block/${name}/loop/backing_file`)));
  return files
    .map((file, index) => ({ device: `/dev/${names[index]}`, file: file.trim() }))
    .filter(({ file }) => file.startsWith(`${directory}/`));
}

/** Looks for what was started, mounted or attached under `directory` and is still there. Named namespaces are mounts. */
export async function findLeftovers(directory: string): Promise<Leftovers> {
  return {
    processes: await processesOf(directory),
    mounts: await mountsUnder(directory),
    loopDevices: await loopDevicesOf(directory),
  };
}

/** One line per thing; empty when nothing is left. */
export function describeLeftovers({ processes, mounts, loopDevices }: Leftovers): readonly string[] {
  return [
    ...processes.map(({ pid, command }) => `process ${pid}: ${command.slice(0, 160)}`),
    ...mounts.map((target) => `mount ${target}`),
    ...loopDevices.map(({ device, file }) => `loop device ${device} on ${file}`),
  ];
}

async function killProcess({ pid, startTime }: RunningProcess): Promise<void> {
  if (!(await isProcessAlive(pid, startTime))) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return; // It ended by itself.
  }
  await waitFor(`the end of process ${pid}`, async () => ((await isProcessAlive(pid, startTime)) ? undefined : true), {
    timeoutMs: 10_000,
  });
}

/**
 * Ends the processes (a supervisor may start another one meanwhile: so until none is left), then takes away mounts and
 * loop devices. Mounts go lazily and without a look at them, which could hang on a dead file system.
 */
export async function removeLeftovers(directory: string): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const { processes, mounts, loopDevices } = await findLeftovers(directory);
    if (processes.length + mounts.length + loopDevices.length === 0) return;
    for (const target of mounts) await runCommand('umount', ['-l', '-c', '--', target]);
    await Promise.all(processes.map(killProcess));
    for (const { device } of loopDevices) await runCommand('losetup', ['-d', device]);
  }
}
