/** Call sites (as test/lib/call-sites.ts names them) at which no test here can kill the driver, and why. Keep it short. */
const NEEDS_PROJECT_QUOTA =
  'needs a kernel with project quota, which a machine may lack: test/project-quota runs it in one that has it';

const NEEDS_A_RACE =
  'needs a tenant who changes or removes a large file in the very milliseconds in which it is copied';
const NEEDS_BARE_DEVICES =
  'needs a /dev without a node that the kernel has a loop device for, at the moment of the call';

export const UNREACHABLE_SITES: Readonly<Record<string, string>> = {
  'linux/operations/copy-file.ts removeTarget unlinkat': NEEDS_A_RACE,
  'linux/operations/copy-file.ts copyContent ftruncate': NEEDS_A_RACE,
  'linux/operations/loop.ts openDevice mknodat': NEEDS_BARE_DEVICES,
  'linux/operations/loop.ts openControl mknodat': NEEDS_BARE_DEVICES,
  'linux/operations/projects.ts assign ioctl': NEEDS_PROJECT_QUOTA,
  'linux/operations/projects.ts setProjectInodeLimit quotactlFd': NEEDS_PROJECT_QUOTA,
  'linux/operations/projects.ts setProjectLimit quotactlFd': NEEDS_PROJECT_QUOTA,
  'linux/operations/share-blocks.ts cloneOnDisk cloneFile': NEEDS_PROJECT_QUOTA,
  'linux/operations/share-blocks.ts shareAll copyOnBrick': NEEDS_PROJECT_QUOTA,
};
