import * as gfapi from '../gfapi.js';
import { DIRECTORY, openBeneath, withFd } from '../handles.js';
import * as libc from '../libc.js';
import { SystemError } from '../../base/errors.js';
import { sys } from '../sys.js';

/** linux/magic.h: XFS_SUPER_MAGIC */
const XFS = 0x58465342n;
/** xfs_fs.h: _IOR('X', 126, struct xfs_fsop_geom), 256 bytes; `flags` at 92. */
const XFS_IOC_FSGEOMETRY = 0x8100587e;
const XFS_FSOP_GEOM_FLAGS_REFLINK = 1 << 20;

/** True when files of the filesystem can share blocks. Known for XFS alone, which is what bricks with limits lie on. */
export function hasReflink(root: number, path: string): boolean {
  return withFd(openBeneath(root, path, DIRECTORY), (fd) => {
    const filesystem = Buffer.alloc(120);
    libc.fstatfs(fd, filesystem, path);
    if (filesystem.readBigUInt64LE(0) !== XFS) return false;
    const geometry = Buffer.alloc(256);
    try {
      libc.ioctl(fd, XFS_IOC_FSGEOMETRY, geometry, path);
    } catch (error) {
      // A kernel before 5.2 has a shorter structure.
      if (error instanceof SystemError && error.code === 'ENOTTY') return false;
      throw error;
    }
    return (geometry.readUInt32LE(92) & XFS_FSOP_GEOM_FLAGS_REFLINK) !== 0;
  });
}

/** @throws SystemError as `gfapi.connect` */
export function connectBrick(volfile: string, logFile: string): gfapi.Connection {
  return gfapi.connect(volfile, logFile);
}

/** Takes up to 10 s. */
export function disconnectBrick(connection: bigint): void {
  gfapi.disconnect(connection);
}

/** rename(2) on one brick, which takes none back that others did. */
export function renameOnBrick(connection: bigint, from: string, to: string): void {
  sys.renameOnBrick(connection, from, to);
}
