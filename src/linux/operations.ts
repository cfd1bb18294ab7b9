/*
 * What the io workers can do: synchronous functions over system calls, each complete in one call. A descriptor
 * that stays open between two of them is only ever the root of a tree, its first parameter.
 */
import { getXattr, removeXattr, setOwnerAndMode, setXattr } from './operations/attributes.js';
import { copyDirectories, copyFile, copyLinks, syncFilesystem } from './operations/copy.js';
import { list, readFile, readFiles, subdirectories } from './operations/files.js';
import { bind, prepareTarget, removeTarget, unmount } from './operations/mounts.js';
import { mkdir, mkdirs, rename, rmdir, unlink } from './operations/names.js';
import {
  assignProject,
  getProject,
  getProjectQuota,
  projectQuotaState,
  setProject,
  setProjectLimit,
} from './operations/projects.js';
import { replaceMounts } from './operations/replace-mounts.js';
import { createFile, replaceFile } from './operations/records.js';
import { removeSome } from './operations/remove.js';
import { closeRoot, openRoot, stat, statfs } from './operations/roots.js';
import { countUsage } from './operations/usage.js';

export const operations = {
  assignProject,
  bind,
  closeRoot,
  copyDirectories,
  copyFile,
  copyLinks,
  countUsage,
  createFile,
  getProject,
  getProjectQuota,
  getXattr,
  list,
  mkdir,
  mkdirs,
  openRoot,
  prepareTarget,
  projectQuotaState,
  readFile,
  readFiles,
  removeSome,
  removeTarget,
  removeXattr,
  rename,
  replaceFile,
  replaceMounts,
  rmdir,
  setOwnerAndMode,
  setProject,
  setProjectLimit,
  setXattr,
  stat,
  statfs,
  subdirectories,
  syncFilesystem,
  unlink,
  unmount,
} as const;

export type Operations = typeof operations;
