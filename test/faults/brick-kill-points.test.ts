import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { ownIdentity } from '../../src/linux/process-info.js';
import { BrickNetwork } from '../lib/brick-network.js';
import { BrickRole } from '../lib/brick-role.js';
import { FaultFile } from '../lib/fault-file.js';
import { killEverywhere, type Victim } from '../lib/kill-everywhere.js';
import { MiB } from '../lib/requests.js';
import { mustRun, runCommand } from '../lib/run-command.js';

const SIZE_MIB = 320;

let directory: string;
let network: BrickNetwork;
let device: string;
let faults: FaultFile;
let role: BrickRole | undefined;

const brickPath = (): string => join(directory, 'm', 'b', 'brick');

async function start(env: Readonly<Record<string, string>>): Promise<BrickRole> {
  await role?.kill();
  role = await BrickRole.start({
    directory: join(directory, 'r'),
    poolFile: join(directory, 'etc', 'pool.yaml'),
    brick: 0,
    device,
    prefix: network.prefixOf(0),
    env,
  });
  return role;
}

/** Starts the brick with fault points. @throws Error when it ends before it is ready */
async function startOrDie(answer: RegExp): Promise<void> {
  const started = await start(faults.env);
  for (let tries = 0; tries < 240; tries++) {
    if (answer.test((await started.get('/readyz')) ?? '')) return;
    if (await started.endsWithin(250)) throw new Error('the brick role has ended');
  }
  throw new Error(`the brick is not ready: ${await started.get('/readyz')}`);
}

/** What `kayal brick` finds at the next start: the device as it came, and a pod of its own. */
async function reset(): Promise<void> {
  await role?.kill();
  role = undefined;
  await mustRun('blkdiscard', ['--force', device]);
  await rm(join(directory, 'r'), { recursive: true, force: true });
}

async function prepareHalf(): Promise<void> {
  const state = join(directory, 'r', 's', 'single-0');
  await mkdir(state, { recursive: true });
  await mustRun('mkfs.xfs', ['-q', '-f', device]);
  // sb_inprogress: its mkfs was cut short.
  await mustRun('dd', [`of=${device}`, 'bs=1', 'seek=126', 'count=1', 'conv=notrunc,fsync'], { input: '\x01' });
  const { rdev } = await stat(device);
  const marker = { dev: `${rdev >> 8}:${rdev & 0xff}`, bytes: SIZE_MIB * MiB, bootId: (await ownIdentity()).bootId };
  await writeFile(join(state, 'formatting.json'), `${JSON.stringify(marker)}\n`);
}

const victim: Victim = {
  get faults() {
    return faults;
  },
  revive: async () => {
    await role?.kill();
    role = undefined;
  },
  expectInvariants: () => Promise.resolve(),
};

/** The next start makes a whole brick of whatever a killed one has left. */
async function becomesWhole(): Promise<void> {
  const whole = await start({});
  await whole.ready();
  expect(await whole.run('stat', '--file-system', '--format=%T', brickPath())).toBe('xfs\n');
  expect(
    await whole.run('getfattr', '--only-values', '-n', 'trusted.kayal.brick', `${brickPath()}/.glusterfs`),
  ).toMatch(/"pool":"single","index":0/);
  expect(await whole.stop()).toBe(0);
  await reset();
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'k-'));
  network = await BrickNetwork.start(1);
  await mkdir(join(directory, 'etc'));
  await mkdir(join(directory, 'm'));
  faults = new FaultFile(join(directory, 'faults'));
  const image = join(directory, 'disk.img');
  await mustRun('truncate', [`--size=${SIZE_MIB}M`, image]);
  device = (await mustRun('losetup', ['--find', '--show', image])).trim();
  const pool = {
    name: 'single',
    type: 'managed',
    replica: 1,
    bricks: [brickPath()],
    remote: {
      volumeId: randomUUID(),
      credentials: { username: randomUUID(), password: randomUUID() },
      addresses: [`${network.address(0)}:24100`],
    },
  };
  await writeFile(join(directory, 'etc', 'pool.yaml'), stringify(pool));
  await writeFile(join(directory, 'etc', 'make'), '0');
});

afterAll(async () => {
  await role?.kill();
  if (device !== undefined) await runCommand('losetup', ['--detach', device]);
  await network?.stop();
  await rm(directory, { recursive: true, force: true });
});

it(
  'a brick role that is killed while it makes its brick makes it at its next start',
  { timeout: 900_000 },
  async () => {
    const { visited } = await killEverywhere(victim, {
      what: 'start of a brick',
      call: () => startOrDie(/^200 ok/),
      check: becomesWhole,
      most: 2,
    });
    expect(visited).toBeGreaterThanOrEqual(2);
  },
);

it('so does one whose formatting was cut short before', { timeout: 900_000 }, async () => {
  const { visited } = await killEverywhere(victim, {
    what: 'start of a brick',
    call: async () => {
      await reset();
      await prepareHalf();
      await startOrDie(/^200 ok/);
    },
    check: becomesWhole,
    most: 2,
  });
  expect(visited).toBeGreaterThanOrEqual(2);
});

it('one that is killed while it looks at a foreign filesystem leaves that alone', { timeout: 600_000 }, async () => {
  const isRefused = /^503 .*holds ext4, and nothing is formatted that holds anything/;
  const { visited } = await killEverywhere(victim, {
    what: 'start of a brick',
    call: async () => {
      await reset();
      await mustRun('mkfs.ext4', ['-q', device]);
      await startOrDie(isRefused);
    },
    check: async () => {
      await startOrDie(isRefused);
      await victim.revive();
      await mustRun('e2fsck', ['-f', '-n', device]);
    },
    most: 2,
  });
  expect(visited).toBeGreaterThanOrEqual(1);
  await reset();
});
