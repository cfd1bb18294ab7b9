import { posix } from 'node:path';
import type { MountEntry } from '../../linux/mountinfo.js';
import type { NestedMount, NestedSource, Replacement } from '../../linux/operations/replace-mounts.js';
import { isBeneath, type MountLocation } from '../../pools/mount-location.js';

/** What the mounts of a pool's dead clients are told by. */
export interface DeadMounts {
  /** Device numbers. */
  readonly devices: ReadonlySet<string>;
  /** Where the pool is now. */
  readonly location: MountLocation;
}

export interface Plan {
  readonly replacements: readonly Replacement[];
  /** Targets of nested mounts that nobody knows how to make again. */
  readonly lost: readonly string[];
}

/** dentry_path() of the kernel says so of a directory that was removed, or was looked up in vain after the client's end. */
const DELETED = '//deleted';

/** True for a mount of a client of the pool that is gone: the number alone may be another filesystem's by now. */
export function isDeadMount(entry: MountEntry, { devices, location }: DeadMounts): boolean {
  return devices.has(entry.dev) && entry.fsType === location.fsType && entry.source === location.source;
}

/** The path in the pool of what a dead mount showed; undefined: it was not in the pool. */
export function pathInPool(entry: MountEntry, { location }: DeadMounts): string | undefined {
  const root = entry.root.endsWith(DELETED) ? entry.root.slice(0, -DELETED.length) : entry.root;
  return isBeneath(root, location.root) ? posix.relative(location.root, root) : undefined;
}

function looksOf({ options, optional }: MountEntry): { readonly options: readonly string[]; readonly shared: boolean } {
  return { options, shared: optional.some((field) => field.startsWith('shared:')) };
}

/** Mounts by the id of the mount that they are in. */
type Children = ReadonlyMap<number, readonly MountEntry[]>;

export function childrenOf(entries: readonly MountEntry[]): Children {
  const children = new Map<number, MountEntry[]>();
  for (const entry of entries) {
    if (entry.parent === entry.id) continue;
    const siblings = children.get(entry.parent);
    if (siblings === undefined) children.set(entry.parent, [entry]);
    else siblings.push(entry);
  }
  return children;
}

/** All mounts in a mount, however deep; a mount after the one that it is in. */
export function mountsIn(children: Children, outer: MountEntry): MountEntry[] {
  const found: MountEntry[] = [];
  const queue = [outer.id];
  for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
    for (const child of children.get(id) ?? []) {
      found.push(child);
      queue.push(child.id);
    }
  }
  return found;
}

/** The outermost dead mounts that are seen: neither in another dead one nor covered by a mount on top of them. */
function outermost(entries: readonly MountEntry[], dead: DeadMounts): MountEntry[] {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const covered = new Set(
    entries.filter(({ parent, target }) => byId.get(parent)?.target === target).map(({ parent }) => parent),
  );
  const isSeenDead = (entry: MountEntry): boolean => isDeadMount(entry, dead) && !covered.has(entry.id);
  const isInDead = (entry: MountEntry): boolean => {
    for (let above = byId.get(entry.parent); above !== undefined; above = byId.get(above.parent)) {
      if (isSeenDead(above)) return true;
      if (above.parent === above.id) return false;
    }
    return false;
  };
  return entries.filter((entry) => isSeenDead(entry) && !isInDead(entry));
}

/** The pool's own mounts below a dead one at the same place: a driver that was killed had put the new one there. */
function idsBelow(entries: readonly MountEntry[], top: MountEntry, dead: DeadMounts): number[] {
  const isSame = (entry: MountEntry): boolean =>
    entry.target === top.target &&
    (entry.dev === dead.location.dev || isDeadMount(entry, dead)) &&
    pathInPool(entry, dead) === pathInPool(top, dead);
  const ids: number[] = [];
  const parentOf = ({ parent }: MountEntry): MountEntry | undefined => entries.find(({ id }) => id === parent);
  for (let below = parentOf(top); below !== undefined && isSame(below); below = parentOf(below)) ids.push(below.id);
  return ids;
}

export interface PlanOptions {
  /** Of one mount namespace. */
  readonly entries: readonly MountEntry[];
  /** Mounts that were nested there and may have fallen off since: the kernel detaches them when a dead mount is looked into. */
  readonly remembered: readonly MountEntry[];
  readonly dead: DeadMounts;
  /** Where a mount that is not the pool's can be found again. */
  readonly findSource: (entry: MountEntry) => NestedSource | undefined;
}

/** What to do in one mount namespace, so that nothing in it shows a dead client of the pool any more. */
export function planReplacements({ entries, remembered, dead, findSource }: PlanOptions): Plan {
  const ids = new Set(entries.map(({ id }) => id));
  const all = [...entries, ...remembered.filter(({ id }) => !ids.has(id))];
  const children = childrenOf(all);
  const lost: string[] = [];
  const replacements = outermost(entries, dead).flatMap((entry) => {
    const path = pathInPool(entry, dead);
    if (path === undefined) return [];
    const nested: NestedMount[] = [];
    const places = new Map<number, { readonly index: number | undefined; readonly target: string }>([
      [entry.id, { index: undefined, target: entry.target }],
    ]);
    for (const inner of mountsIn(children, entry)) {
      const parent = places.get(inner.parent);
      const own = isDeadMount(inner, dead) ? pathInPool(inner, dead) : undefined;
      const source = own === undefined ? findSource(inner) : { path: own };
      if (parent === undefined || source === undefined || !isBeneath(inner.target, parent.target)) {
        lost.push(inner.target);
        continue;
      }
      places.set(inner.id, { index: nested.length, target: inner.target });
      const place = posix.relative(parent.target, inner.target);
      nested.push({ target: inner.target, parent: parent.index, place, source, ...looksOf(inner) });
    }
    const below = idsBelow(entries, entry, dead);
    const { id, target } = entry;
    return [{ id, target, below: below.length === 0 ? undefined : below, path, nested, ...looksOf(entry) }];
  });
  return { replacements, lost };
}
