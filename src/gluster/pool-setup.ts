import { randomBytes, randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { failedPrecondition } from '../base/errors.js';
import type { IoWorkers } from '../linux/io-workers.js';
import type { ManagedPoolConfig } from '../pools/types.js';
import type { MechanismName } from '../quota/mechanism.js';
import { inspectBrick, labelBrick } from './brick-label.js';
import { planBricks } from './brick-plan.js';
import type { BrickPlan } from './brick-plan.js';
import { managedLayout } from './managed-layout.js';
import { readIdentity, writeIdentity } from './pool-identity.js';
import type { PoolIdentity, PoolIdentityBrick } from './pool-identity.js';
import { isPoolRunning } from './pool-presence.js';
import { chooseBrickPort, isPortFree } from './ports.js';
import type { CertificateFacts } from './tls-files.js';
import { describeShape, isArbiterBrick, shapeOf } from './volfile/group-shape.js';
import type { PoolLayout } from './volfile/layout.js';

/** The only address that bricks of a managed pool listen on. */
export const LOOPBACK = '127.0.0.1';

export interface PoolSetupOptions {
  readonly config: ManagedPoolConfig;
  readonly quota: MechanismName;
  readonly directory: string;
  readonly io: IoWorkers;
  /** What is in the certificate of a pool with TLS. */
  readonly certificate?: CertificateFacts | undefined;
}

export interface PoolSetup {
  readonly identity: PoolIdentity;
  readonly layout: PoolLayout;
  /** Per brick: why it is not there; undefined when it is. */
  readonly missing: readonly (string | undefined)[];
}

/** The device number of the filesystem that a brick is on, or will be made on; undefined: not there. */
async function deviceOf(path: string): Promise<number | undefined> {
  for (const place of [path, dirname(path)]) {
    const found = await stat(place).catch(() => undefined);
    if (found !== undefined) return found.dev;
  }
  return undefined;
}

/** Per brick how many of the pool's bricks share the space of its filesystem. */
async function sharedBy(paths: readonly string[]): Promise<number[]> {
  const devices = await Promise.all(paths.map(deviceOf));
  return devices.map((dev) => (dev === undefined ? 1 : devices.filter((other) => other === dev).length));
}

async function sharesOf({ config, quota }: PoolSetupOptions): Promise<number[]> {
  // Project quota's limits are read with statfs, which storage/posix divides by this number.
  if (quota === 'project') return config.bricks.map(() => 1);
  const shape = shapeOf(config);
  const isArbiter = (index: number): boolean => isArbiterBrick(shape, index % shape.size);
  const shares = await sharedBy(config.bricks.filter((_, index) => !isArbiter(index)));
  // An arbiter takes next to no space, and replication does not ask it for its figures (afr_statfs).
  return config.bricks.map((_, index) => (isArbiter(index) ? 1 : (shares.shift() ?? 1)));
}

async function makeBricks(options: PoolSetupOptions): Promise<PoolIdentityBrick[]> {
  const taken = new Set<number>();
  const bricks: PoolIdentityBrick[] = [];
  for (const share of await sharesOf(options)) {
    const port = await chooseBrickPort(LOOPBACK, taken);
    taken.add(port);
    bricks.push({ port, sharedBy: share });
  }
  return bricks;
}

/** Gives bricks whose port was taken while the pool did not run another one; its clients would not find it there. */
async function renewPorts(directory: string, identity: PoolIdentity | undefined): Promise<PoolIdentity | undefined> {
  if (identity === undefined || (await isPoolRunning(directory))) return identity;
  const taken = new Set(identity.bricks.map(({ port }) => port));
  const bricks: PoolIdentityBrick[] = [];
  for (const brick of identity.bricks) {
    const port = (await isPortFree(LOOPBACK, brick.port)) ? brick.port : await chooseBrickPort(LOOPBACK, taken);
    taken.add(port);
    bricks.push({ ...brick, port });
  }
  if (bricks.every(({ port }, index) => port === identity.bricks[index]?.port)) return identity;
  const renewed = { ...identity, bricks };
  await writeIdentity(directory, renewed);
  return renewed;
}

async function makeIdentity(options: PoolSetupOptions, volumeId: string | undefined): Promise<PoolIdentity> {
  return {
    formatVersion: 1,
    pool: options.config.name,
    volumeId: volumeId ?? randomUUID(),
    quota: options.quota,
    layout: describeShape(shapeOf(options.config)),
    state: 'creating',
    credentials: { username: randomUUID(), password: randomBytes(24).toString('hex') },
    bricks: await makeBricks(options),
  };
}

async function makeMissingBricks(options: PoolSetupOptions, plan: BrickPlan, volumeId: string): Promise<void> {
  const { config, io, quota } = options;
  // The root of a pool of static volumes may be published as it is.
  const mode = config.staticOnly ? 0o755 : 0o700;
  const layout = describeShape(shapeOf(config));
  for (const [index, step] of plan.steps.entries()) {
    const path = config.bricks[index];
    if (typeof step === 'object' || path === undefined) continue;
    // Also for a brick that has its label: the last step of labelling may be what a crash prevented.
    await labelBrick(io, {
      path,
      label: { pool: config.name, index, count: config.bricks.length, volumeId, quota, layout },
      mode: step === 'make' ? mode : undefined,
    });
  }
}

function layoutOf({ config, quota, certificate }: PoolSetupOptions, identity: PoolIdentity): PoolLayout {
  const { volumeId, credentials } = identity;
  const bricks = identity.bricks.map(({ port, sharedBy: shared }, index) => ({
    host: LOOPBACK,
    port,
    path: config.bricks[index] ?? '',
    sharedBy: shared,
  }));
  return managedLayout({ config, quota, volumeId, credentials, bricks, bindAddress: LOOPBACK, certificate });
}

/**
 * The mechanism that a pool was made for, from its state directory or from any of its bricks that is there.
 * @returns undefined for a pool that is new, or whose bricks and state are all away
 * @throws KayalError FAILED_PRECONDITION when the state directory cannot be understood
 */
export async function recordedQuota({
  config,
  directory,
  io,
}: Omit<PoolSetupOptions, 'quota'>): Promise<MechanismName | undefined> {
  const identity = await readIdentity(directory);
  if (identity !== undefined) return identity.quota;
  const findings = await Promise.all(config.bricks.map((path) => inspectBrick(io, config.name, path)));
  for (const finding of findings) {
    if (finding.kind === 'labelled' && finding.label.pool === config.name) return finding.label.quota;
  }
  return undefined;
}

/**
 * Finds out which bricks a pool has, makes them when the pool is new, and gives it ports and credentials.
 * @throws KayalError FAILED_PRECONDITION for bricks of something else, UNAVAILABLE when too few are there
 */
export async function setUpPool(options: PoolSetupOptions): Promise<PoolSetup> {
  const { config, quota, directory, io } = options;
  const shape = shapeOf(config);
  if (config.bricks.length === 0 || config.bricks.length % shape.size !== 0) {
    throw failedPrecondition(
      `pool ${config.name}: ${describeShape(shape)} needs ${shape.size} bricks for each group, and has ${config.bricks.length} in all`,
    );
  }
  const found = await renewPorts(directory, await readIdentity(directory));
  const findings = await Promise.all(config.bricks.map((path) => inspectBrick(io, config.name, path)));
  const plan = planBricks({ pool: config.name, quota, shape, bricks: config.bricks, findings, identity: found });
  let identity = found ?? (await makeIdentity(options, plan.volumeId));
  if (identity.state === 'creating') {
    await writeIdentity(directory, identity);
    await makeMissingBricks(options, plan, identity.volumeId);
    identity = { ...identity, state: 'ready' };
    await writeIdentity(directory, identity);
  }
  return {
    identity,
    layout: layoutOf(options, identity),
    missing: plan.steps.map((step) => (typeof step === 'object' ? step.missing : undefined)),
  };
}
