/** What a mechanism needs to know of a volume to act on it. */
export interface LimitTarget {
  /** The volume's directory, relative to the root of the pool. */
  readonly path: string;
  /** The project id on record, for the `project` mechanism; absent for the others and before one was allocated. */
  readonly projectId?: number | undefined;
}
