/*
 * What the io workers can do: synchronous functions over system calls, each complete in one call. A descriptor
 * that stays open between two of them is only ever the root of a tree, its first parameter.
 */
import { getXattr, removeXattr, setOwnerAndMode, setXattr, setXattrThenStatfs } from './operations/attributes.js';
import { connectBrick, disconnectBrick, hasReflink, renameOnBrick } from './operations/brick-connections.js';
import { copyDirectories, copyFile, copyLinks, shareFile, syncFilesystem } from './operations/copy.js';
import {
  bindDevice,
  growFilesystem,
  mountFilesystem,
  prepareTargetFile,
  removeTargetFile,
} from './operations/filesystems.js';
import { imageChanges } from './operations/image-changes.js';
import { snapshotImage, syncMount, thawMount } from './operations/image-snapshot.js';
import { growImage, imageSize, isBlankImage, makeImage, readImageStart, syncImage } from './operations/images.js';
import {
  attachLoop,
  blockDeviceAt,
  detachLoop,
  flushLoop,
  loopBacking,
  loopSize,
  refreshLoop,
  setLoopReadOnly,
} from './operations/loop.js';
import { list, readFile, readFiles, subdirectories } from './operations/files.js';
import { bind, prepareTarget, removeTarget, unmount } from './operations/mounts.js';
import { makeDirectory, mkdir, mkdirs, rename, rmdir, unlink } from './operations/names.js';
import {
  assignProject,
  getProject,
  getProjectQuota,
  limitDirectory,
  projectQuotaState,
  setProjectInodeLimit,
  setProjectLimit,
} from './operations/projects.js';
import { copyRanges, copyRangesTo, publishFile, punchRanges, startFile } from './operations/ranges.js';
import { replaceMounts } from './operations/replace-mounts.js';
import { createFile, replaceFile } from './operations/records.js';
import { removeSome } from './operations/remove.js';
import { closeRoot, openRoot, stat, statfs } from './operations/roots.js';
import { countUsage } from './operations/usage.js';

export const operations = {
  assignProject,
  attachLoop,
  bind,
  bindDevice,
  blockDeviceAt,
  closeRoot,
  connectBrick,
  copyDirectories,
  copyFile,
  copyLinks,
  copyRanges,
  copyRangesTo,
  countUsage,
  createFile,
  detachLoop,
  flushLoop,
  disconnectBrick,
  getProject,
  getProjectQuota,
  getXattr,
  growFilesystem,
  growImage,
  imageChanges,
  imageSize,
  isBlankImage,
  hasReflink,
  limitDirectory,
  list,
  loopBacking,
  loopSize,
  makeDirectory,
  makeImage,
  mkdir,
  mkdirs,
  mountFilesystem,
  openRoot,
  prepareTarget,
  prepareTargetFile,
  projectQuotaState,
  publishFile,
  punchRanges,
  readFile,
  readFiles,
  readImageStart,
  refreshLoop,
  removeSome,
  removeTarget,
  removeTargetFile,
  removeXattr,
  rename,
  renameOnBrick,
  replaceFile,
  replaceMounts,
  rmdir,
  setLoopReadOnly,
  setOwnerAndMode,
  setProjectInodeLimit,
  setProjectLimit,
  setXattr,
  setXattrThenStatfs,
  shareFile,
  snapshotImage,
  startFile,
  stat,
  statfs,
  subdirectories,
  syncFilesystem,
  syncImage,
  syncMount,
  thawMount,
  unlink,
  unmount,
} as const;

export type Operations = typeof operations;
