import { messageOf, isErrno } from '../../base/errors.js';
import type { KeyLock } from '../../base/key-lock.js';
import type { Logger } from '../../base/logger.js';
import { mountNamespaces, mountsOf, ownNamespace, type NamespaceId } from '../../linux/mount-namespaces.js';
import type { Replaced, Replacement } from '../../linux/operations/replace-mounts.js';
import type { Attachment } from '../../pools/mounts.js';
import { targetKey } from '../locks.js';
import type { NestedMemory } from './nested-memory.js';
import { isDeadMount, planReplacements, type DeadMounts } from './plan.js';
import { findSource, type MountTable } from './sources.js';

/** A mount that still shows a dead client, and why. */
export interface Unhealed {
  /** A process that sees it. */
  readonly pid: number;
  readonly target: string;
  /** Relative to the root of the pool. */
  readonly path: string;
  readonly reason: string;
}

export interface HealResult {
  readonly healed: number;
  readonly unhealed: readonly Unhealed[];
  /** Nested mounts that could not be put back. */
  readonly lost: readonly string[];
  /** Whether any mount namespace but ours was visible. */
  readonly sawOthers: boolean;
}

export interface HealOptions {
  readonly attachment: Attachment;
  readonly devices: ReadonlySet<string>;
  readonly memory: NestedMemory;
  /** Of the node service: what an RPC works on is left to it. */
  readonly locks: KeyLock;
  /** MOVE_MOUNT_BENEATH: Linux 6.5 and newer. */
  readonly atomic: boolean;
  readonly log: Logger;
}

type NamespaceResult = Omit<HealResult, 'sawOthers'>;

const HOST_PID = 1;

/** Ours and the host's first: what they share with containers is mended there by propagation. */
function inOrder(namespaces: readonly NamespaceId[], own: string, host: string | undefined): NamespaceId[] {
  const rank = ({ id }: NamespaceId): number => (id === own ? 0 : id === host ? 1 : 2);
  return [...namespaces].sort((a, b) => rank(a) - rank(b));
}

/**
 * Replaces the dead mounts of a pool in every mount namespace that is visible, while its new client is up. What came back
 * with EAGAIN or is worked on by an RPC is among the unhealed: try again.
 */
export async function healNamespaces(options: HealOptions): Promise<HealResult> {
  const own = await ownNamespace();
  const namespaces = await mountNamespaces();
  const host = namespaces.find(({ pids }) => pids.includes(HOST_PID))?.id;
  const other = host === own ? undefined : host;
  let known: Promise<MountTable[]> | undefined;
  const results: NamespaceResult[] = [];
  for (const namespace of inOrder(namespaces, own, host)) {
    const isContainer = namespace.id !== own && namespace.id !== host;
    const sources = (): Promise<MountTable[]> => {
      // What containers have is on the node, whose mounts are mended by then.
      if (!isContainer) return tables(own, other);
      known ??= tables(own, other);
      return known;
    };
    results.push(await healOne(options, namespace, namespace.id === own ? undefined : namespace, sources));
  }
  return {
    healed: results.reduce((sum, { healed }) => sum + healed, 0),
    unhealed: results.flatMap(({ unhealed }) => unhealed),
    lost: results.flatMap(({ lost }) => lost),
    sawOthers: namespaces.some(({ id }) => id !== own),
  };
}

async function tables(own: string, host: string | undefined): Promise<MountTable[]> {
  const ours = (await mountsOf({ pids: [process.pid], id: own })) ?? [];
  const result: MountTable[] = [{ namespace: undefined, entries: ours }];
  if (host === undefined) return result;
  const namespace = { pids: [HOST_PID], id: host };
  return [...result, { namespace, entries: (await mountsOf(namespace)) ?? [] }];
}

async function healOne(
  options: HealOptions,
  namespace: NamespaceId,
  there: NamespaceId | undefined,
  sources: () => Promise<readonly MountTable[]>,
): Promise<NamespaceResult> {
  const { attachment, devices, memory } = options;
  const dead: DeadMounts = { devices, location: attachment.location };
  // Read now, not before: propagation may have mended some.
  const entries = (await mountsOf(namespace)) ?? [];
  if (!entries.some((entry) => isDeadMount(entry, dead))) return { healed: 0, unhealed: [], lost: [] };
  const known = await sources();
  const plan = planReplacements({
    entries,
    remembered: memory.of(namespace.id),
    dead,
    findSource: (entry) => findSource(known, entry),
  });
  const results = await replace(options, there, plan.replacements);
  const unhealed = results.flatMap(({ target, path, reason }) =>
    reason === undefined ? [] : [{ pid: namespace.pids[0] ?? 0, target, path, reason }],
  );
  return {
    healed: results.filter(({ replaced }) => replaced).length,
    unhealed,
    lost: [...plan.lost, ...results.flatMap(({ lost }) => lost)],
  };
}

interface Outcome {
  readonly target: string;
  readonly path: string;
  /** False also when it was gone before. */
  readonly replaced: boolean;
  /** Why it is not healed. */
  readonly reason: string | undefined;
  readonly lost: readonly string[];
}

async function replace(
  { attachment, locks, atomic, log }: HealOptions,
  namespace: NamespaceId | undefined,
  replacements: readonly Replacement[],
): Promise<Outcome[]> {
  const releases: (() => void)[] = [];
  const outcomes: Outcome[] = [];
  const free = replacements.filter(({ target, path }) => {
    if (namespace !== undefined) return true;
    const release = locks.tryAcquire(targetKey(target));
    if (release === undefined) outcomes.push(failure({ target, path }, 'an operation on it is pending'));
    else releases.push(release);
    return release !== undefined;
  });
  try {
    const paths = new Map(free.map(({ target, path }) => [target, path]));
    const results = free.length === 0 ? [] : await attachment.tree.replaceMounts(namespace, free, { atomic });
    for (const result of results) {
      if (result.outcome !== 'gone') log.debug({ ...result, namespace: namespace?.id }, 'dead mount replaced');
      outcomes.push(outcomeOf(result, paths.get(result.target) ?? ''));
    }
  } catch (error) {
    const reason = isErrno(error, 'EAGAIN') ? 'its processes have ended' : messageOf(error);
    outcomes.push(...free.map((replacement) => failure(replacement, reason)));
  } finally {
    for (const release of releases) release();
  }
  return outcomes;
}

function failure({ target, path }: { readonly target: string; readonly path: string }, reason: string): Outcome {
  return { target, path, replaced: false, reason, lost: [] };
}

function outcomeOf({ target, outcome, problem, lost }: Replaced, path: string): Outcome {
  return {
    target,
    path,
    replaced: outcome === 'swapped' || outcome === 'remounted',
    reason: outcome === 'failed' ? `${problem?.call ?? 'replacing it'} failed with ${problem?.code ?? '?'}` : undefined,
    lost: lost.map((mount) => `${mount.target} (${mount.code})`),
  };
}
