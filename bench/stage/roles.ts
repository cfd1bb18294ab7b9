import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Driver, driverPaths } from '../../test/lib/driver.js';
import { findProcesses } from '../../test/lib/leftovers.js';
import { startOpen } from '../../test/lib/open-driver.js';
import { waitFor } from '../../test/lib/wait.js';
import type { Floor } from '../floor/floor.js';
import { CsiSocket } from '../load/csi-socket.js';
import { VolumeLoad } from '../load/volumes.js';
import { residentMiB } from './memory.js';
import { preparePlace, type PoolPlace } from './pools.js';
import { seedVolumes } from './seed.js';
import { IMAGE_ENVIRONMENT } from './stage.js';

/** The two roles as processes of their own, as in a cluster, and the mounter of the node. */
export interface Roles {
  readonly controller: Driver;
  readonly node: Driver;
  readonly mounter: ChildProcess;
  readonly loads: { readonly controller: VolumeLoad; readonly node: VolumeLoad };
}

/** A role that serves the pool, below its own directory; the controller manages the pool when this returns. */
export async function startRole(directory: string, role: 'controller' | 'node', place: PoolPlace): Promise<Driver> {
  const options = {
    directory: join(directory, role),
    role,
    pools: [place.keys],
    logLevel: 'info',
    env: { ...IMAGE_ENVIRONMENT, KAYAL_REGISTER: 'no' },
    sourceMaps: false,
  } as const;
  return role === 'controller' ? startOpen(options) : Driver.start(options);
}

function loadOf(directory: string, role: string): VolumeLoad {
  const own = join(directory, role);
  return new VolumeLoad({
    name: role,
    socket: new CsiSocket(driverPaths(own).socket),
    parameters: {},
    directory: join(driverPaths(own).kubeletDir, 'load'),
  });
}

/** The command of the chart's mounter. */
async function startMounter(directory: string): Promise<ChildProcess> {
  const lock = join(directory, 'mounter');
  await mkdir(lock);
  const command = ['-s', '--', 'flock', '--no-fork', lock, 'sleep', 'infinity'];
  const child = spawn('tini', command, { stdio: 'ignore', env: { ...process.env, TMPDIR: directory } });
  await once(child, 'spawn');
  return child;
}

/** @param volumes how many the pool has */
export async function startRoles(floor: Floor, directory: string, volumes: number): Promise<Roles> {
  const place = await preparePlace(directory, 'directory');
  const first = await startRole(directory, 'controller', place);
  await first.stop();
  await seedVolumes(floor, join(directory, 'tree'), 0, volumes);
  const controller = await startRole(directory, 'controller', place);
  const node = await startRole(directory, 'node', place);
  const mounter = await startMounter(directory);
  return {
    controller,
    node,
    mounter,
    loads: { controller: loadOf(directory, 'controller'), node: loadOf(directory, 'node') },
  };
}

/** Resident memory of all processes of the mounter, in MiB. */
export async function mounterMiB(directory: string, { mounter }: Roles): Promise<number> {
  const sleeping = await waitFor('the mounter to have its lock', async () => {
    const found = await findProcesses(
      async (command, environment) =>
        command.startsWith('sleep infinity') && (await environment()).includes(`TMPDIR=${directory}\0`),
    );
    return found[0]?.pid;
  });
  return (await residentMiB(mounter.pid ?? 0)) + (await residentMiB(sleeping));
}

export async function stopRoles({ controller, node, mounter, loads }: Roles): Promise<void> {
  for (const { socket } of Object.values(loads)) socket.close();
  mounter.kill('SIGTERM');
  await node.stop();
  await controller.stop();
}
