/** Names the bricks that answer for a path: a virtual attribute of GlusterFS' clients. */
export const PATHINFO_XATTR = 'trusted.glusterfs.pathinfo';

export interface PathinfoGroups {
  /** The paths of the bricks, group by group. */
  readonly groups: readonly (readonly string[])[];
  /** How many bricks of a group have to answer. */
  readonly needed: number;
}

/** The bricks that pathinfo of a directory names: `<POSIX(/brick):host:/brick/path>` for each (posix_pathinfo). */
function bricksIn(pathinfo: string): ReadonlySet<string> {
  return new Set([...pathinfo.matchAll(/<POSIX\(([^)]*)\):/g)].map(([, brick = '']) => brick));
}

/** The bricks that do not answer, of groups that lack so many that they cannot be read; none: the pool is whole. */
export function silentBricks(pathinfo: string, { groups, needed }: PathinfoGroups): string[] {
  const answering = bricksIn(pathinfo);
  return groups.flatMap((bricks) => {
    const silent = bricks.filter((brick) => !answering.has(brick));
    return bricks.length - silent.length >= needed ? [] : silent;
  });
}
