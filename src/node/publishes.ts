import type { MountEntry } from '../linux/mountinfo.js';
import type { MountFlag } from '../linux/mount-flags.js';
import { isOfFormerClient, rootOf, type MountLocation } from '../pools/mount-location.js';

/** A directory of a pool, as far as mountinfo is concerned. */
export interface PublishedDirectory {
  readonly location: MountLocation;
  /** Relative to the root of the pool. */
  readonly path: string;
}

/** How a volume is published, besides where. */
export interface PublishParameters {
  readonly readOnly: boolean;
  readonly flags: readonly MountFlag[];
}

/**
 * What a mount is to a volume: a publish of it (`live`), one by a client of the pool that is gone since (`dead`), or
 * something else (undefined).
 */
export function publishKind(entry: MountEntry, directory: PublishedDirectory): 'live' | 'dead' | undefined {
  const { location, path } = directory;
  if (entry.root !== rootOf(location, path)) return undefined;
  if (entry.dev === location.dev) return 'live';
  return isOfFormerClient(entry, location) ? 'dead' : undefined;
}

/** Mount points other than `target` at which the volume is published on this node; a dead publish counts, its pod is there. */
export function otherTargets(entries: readonly MountEntry[], directory: PublishedDirectory, target: string): string[] {
  return entries
    .filter((entry) => entry.target !== target && entry.target !== directory.location.target)
    .filter((entry) => publishKind(entry, directory) !== undefined)
    .map((entry) => entry.target);
}

/** Options that a mount either has or has not; `relatime` is what it has without any other atime option. */
const SWITCHES = ['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime'] as const;

/**
 * True when the mount is as a publish with these parameters would have made it. What a bind inherits from the pool's
 * own mount says nothing about what was asked for.
 */
export function hasParameters(entry: MountEntry, location: MountLocation, parameters: PublishParameters): boolean {
  const asked: readonly string[] = parameters.readOnly ? ['ro', ...parameters.flags] : parameters.flags;
  if (asked.includes('relatime') && !entry.options.includes('relatime')) return false;
  return SWITCHES.every((option) => {
    const has = entry.options.includes(option);
    if (asked.includes(option)) return has;
    return !has || location.options.includes(option);
  });
}

/** The parameters as people write them: `rw,noexec`. */
export function describeOptions(options: readonly string[]): string {
  return options.filter((option) => option === 'rw' || (SWITCHES as readonly string[]).includes(option)).join(',');
}
