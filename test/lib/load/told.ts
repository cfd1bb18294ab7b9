/** SHA-256 of each file, by its path in the volume. */
export type Files = ReadonlyMap<string, string>;

/** A volume that a client was told is there. */
export interface ToldVolume {
  readonly handle: string;
  readonly limitBytes: number;
  /** What fsync(2) said is safe. */
  readonly files: Files;
}

/** A snapshot that a client was told is taken. */
export interface ToldSnapshot {
  readonly handle: string;
  readonly files: Files;
}

/** What the clients of a run were told, by ids; it knows nothing of the driver, and is what the pool must hold at the end. */
export class Told {
  readonly volumes = new Map<string, ToldVolume>();
  readonly snapshots = new Map<string, ToldSnapshot>();
  /** Handles of what was told to be gone. */
  readonly deletedVolumes: string[] = [];
  readonly deletedSnapshots: string[] = [];

  volumeDeleted(id: string): void {
    const { handle } = mustHave(this.volumes, id);
    this.volumes.delete(id);
    this.deletedVolumes.push(handle);
  }

  snapshotDeleted(id: string): void {
    const { handle } = mustHave(this.snapshots, id);
    this.snapshots.delete(id);
    this.deletedSnapshots.push(handle);
  }

  /** The promise that the volumes alone make, in bytes. */
  get limitBytes(): number {
    return [...this.volumes.values()].reduce((sum, { limitBytes }) => sum + limitBytes, 0);
  }
}

function mustHave<T>(map: ReadonlyMap<string, T>, id: string): T {
  const value = map.get(id);
  if (value === undefined) throw new Error(`${id} was never told to be there`);
  return value;
}
