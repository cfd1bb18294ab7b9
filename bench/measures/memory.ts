import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { driverPaths } from '../../test/lib/driver.js';
import { removeDirectory } from '../../test/lib/run-directory.js';
import { sleep } from '../../test/lib/wait.js';
import { Echo, firstAnswer } from '../floor/echo.js';
import { figureOf, type Bar, type Figure, type Pair } from '../figure.js';
import { CsiSocket } from '../load/csi-socket.js';
import { inFlight } from '../load/in-flight.js';
import { residentMiB } from '../stage/memory.js';
import { preparePlace } from '../stage/pools.js';
import { mounterMiB, startRole, startRoles, stopRoles, type Roles } from '../stage/roles.js';
import { IMAGE_ENVIRONMENT } from '../stage/stage.js';
import { numbered, type Bench, type OwnMeasure } from './measure.js';

const MORE: Bar = { kind: 'at most', times: 1, plus: 30 };
/** Kadalu's driver, exporter and supervisor in its node pod: 43 + 14 + 57 MB. */
const KADALU: Bar = { kind: 'below', most: 108 };
/** What a collection that is due or not makes of it. */
const GROWTH: Bar = { kind: 'at most', times: 1, plus: 4 };
const VOLUMES = 8;

interface Resident {
  readonly controller: number;
  readonly node: number;
  readonly mounter: number;
  readonly echo: number;
}

async function resident(directory: string, roles: Roles, echo: Echo): Promise<Resident> {
  return {
    controller: await residentMiB(roles.controller.pid),
    node: await residentMiB(roles.node.pid),
    mounter: await mounterMiB(directory, roles),
    echo: await residentMiB(echo.pid),
  };
}

/** So many calls of each process: what sidecars and kubelet ask for, over and over. */
async function soak({ plan }: Bench, { loads: { controller, node } }: Roles, echo: Echo, run: number): Promise<void> {
  const calls = numbered('', plan.soakCalls);
  const names = numbered(`soak${run}`, VOLUMES);
  await controller.create(names, 4);
  await inFlight(calls, 8, (_, index) => {
    const volume_id = controller.volume(names[index % VOLUMES] ?? '').id;
    if (index % 4 === 0) return controller.createOne(names[index % VOLUMES] ?? '');
    if (index % 4 === 1) return controller.socket.call('Controller', 'GetCapacity', {});
    if (index % 4 === 2) return controller.socket.call('Controller', 'ListVolumes', { max_entries: 100 });
    return controller.socket.call('Controller', 'ControllerGetVolume', { volume_id });
  });
  for (const name of names) node.adopt(name, controller.volume(name));
  await node.prepareTargets(names);
  await node.publish(names, 4);
  await inFlight(calls, 8, async (_, index) => {
    const name = names[index % VOLUMES] ?? '';
    if (index % 4 === 0) return node.socket.call('Identity', 'Probe', {});
    if (index % 4 === 1) return node.socket.call('Node', 'NodeGetCapabilities', {});
    if (index % 4 === 2) return node.publishOne(name);
    const request = { volume_id: node.volume(name).id, volume_path: node.target(name) };
    return node.socket.call('Node', 'NodeGetVolumeStats', request);
  });
  await node.unpublish(names, 4);
  await node.unstage(names);
  await controller.delete(names, 4);
  await inFlight(calls, 8, () => echo.socket.once('Identity', 'Probe', {}));
}

interface Soaked {
  readonly idle: Resident;
  /** As soon as the calls are over. */
  readonly busy: Resident;
  readonly once: Resident;
  readonly twice: Resident;
}

async function measureRoles(bench: Bench): Promise<Soaked> {
  const directory = await mkdtemp(join(bench.directory, 'm-'));
  const roles = await startRoles(bench.floor, directory, bench.plan.memoryVolumes);
  const echo = await Echo.start(join(directory, 'echo.sock'), IMAGE_ENVIRONMENT);
  try {
    const look = (): Promise<Resident> => resident(directory, roles, echo);
    const lookLater = async (): Promise<Resident> => {
      await sleep(bench.plan.idleMs);
      return look();
    };
    const idle = await lookLater();
    await soak(bench, roles, echo, 1);
    const busy = await look();
    const first = await lookLater();
    await soak(bench, roles, echo, 2);
    return { idle, busy, once: first, twice: await lookLater() };
  } finally {
    await echo.stop();
    await stopRoles(roles);
    await removeDirectory(directory);
  }
}

/** From the start of the process to the first answer. */
async function startTimes(bench: Bench): Promise<readonly Pair[]> {
  const directory = await mkdtemp(join(bench.directory, 't-'));
  const place = await preparePlace(directory, 'directory');
  const pairs: Pair[] = [];
  for (let round = 0; round < bench.plan.rounds; round++) {
    const echo = await Echo.start(join(directory, `echo${round}.sock`), IMAGE_ENVIRONMENT);
    await echo.stop();
    const since = performance.now();
    const starting = startRole(directory, 'node', place);
    const socket = new CsiSocket(driverPaths(join(directory, 'node')).socket);
    await firstAnswer(socket);
    pairs.push({ value: performance.now() - since, floor: echo.startMs });
    socket.close();
    await (await starting).stop();
  }
  await removeDirectory(directory);
  return pairs;
}

function figures({ idle, busy, once: first, twice }: Soaked, { plan }: Bench): readonly Figure[] {
  const against = 'empty Node.js process with grpc-js';
  const named = (what: string, other = against) =>
    ({ measure: 'memory', pool: '', subject: 'kayal', what, against: other, unit: 'MiB' }) as const;
  const after = `after ${plan.soakCalls} calls`;
  const pod = ({ node, mounter, echo }: Resident): Pair => ({ value: node + mounter, floor: echo });
  return [
    ...(['controller', 'node'] as const).flatMap((role) => [
      figureOf(named(`${role}, idle`), [{ value: idle[role], floor: idle.echo }], MORE),
      figureOf(named(`${role}, at the end of ${plan.soakCalls} calls`), [{ value: busy[role], floor: busy.echo }]),
      figureOf(named(`${role}, idle again ${after}`), [{ value: first[role], floor: first.echo }], MORE),
      figureOf(
        named(`${role}, idle again after as many more`, `itself, ${after}`),
        [{ value: twice[role], floor: first[role] }],
        GROWTH,
      ),
    ]),
    figureOf(named('node role and mounter together, idle'), [pod(idle)], MORE),
    figureOf(named(`node role and mounter together, idle again ${after}`), [pod(first)], KADALU),
  ];
}

export const memory: OwnMeasure = {
  name: 'memory',
  title: 'resident memory and start',
  run: async (bench) => {
    const start = figureOf(
      {
        measure: 'memory',
        pool: '',
        subject: 'kayal',
        what: 'start of the node role until Probe answers',
        against: 'grpc-js echo',
        unit: 'ms',
      },
      await startTimes(bench),
    );
    return [...figures(await measureRoles(bench), bench), start];
  },
};
