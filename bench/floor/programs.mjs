// What a call comes down to, as system calls that are made one after the other. Names are relative to `options.root`.
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import koffi from 'koffi';

const libc = koffi.load(null);
const native = {
  setxattr: libc.func('int setxattr(const char *path, const char *name, const void *value, size_t size, int flags)'),
  mount: libc.func(
    'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
  ),
  umount2: libc.func('int umount2(const char *target, int flags)'),
};

const MS_BIND = 4096;
const RECORD = Buffer.alloc(700, 'x');
/** Kadalu's two attributes are features/simple-quota's; these have as many bytes, and no brick takes them for its own. */
const KADALU_XATTRS = ['trusted.bench.namespace', 'trusted.bench.limit'];

function must(name, path, result) {
  if (result !== 0) throw new Error(`${name} ${path}: errno ${koffi.errno()}`);
}

function setXattr(path, name, value) {
  must('setxattr', path, native.setxattr(path, name, value, value.length, 0));
}

/** features/quota's limit: hard limit and soft percent (-1: the default), big-endian int64. */
function glusterLimit(bytes) {
  const value = Buffer.alloc(16);
  value.writeBigInt64BE(BigInt(bytes), 0);
  value.writeBigInt64BE(-1n, 8);
  return value;
}

function writeDurably(path) {
  const fd = fs.openSync(`${path}.new`, 'wx', 0o600);
  fs.writeSync(fd, RECORD);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  fs.renameSync(`${path}.new`, path);
}

function spawned(program, args) {
  const { status, stderr } = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
}

export const programs = {
  /** A volume: its directory, its limit, verified, and a record of it that lasts. */
  create: (name, { root, quota, bytes }) => {
    const path = join(root, name);
    fs.mkdirSync(path);
    writeDurably(join(root, `${name}.json`));
    if (quota === 'gluster') setXattr(path, 'trusted.glusterfs.quota.limit-set', glusterLimit(bytes));
    const { blocks, bsize } = fs.statfsSync(path);
    if (quota === 'gluster' && blocks * bsize > 2 * bytes) throw new Error(`${path} got no limit`);
  },
  /** The calls that Kadalu's driver makes on the pool for a volume. */
  createBare: (name, { root }) => {
    const path = join(root, name);
    fs.mkdirSync(path);
    for (const xattr of KADALU_XATTRS) setXattr(path, xattr, Buffer.from('1073741824'));
    fs.statSync(path);
    fs.statfsSync(path);
  },
  /** What `create` made goes out of sight. */
  remove: (name, { root }) => {
    fs.renameSync(join(root, name), join(root, 'trash', name));
    fs.unlinkSync(join(root, `${name}.json`));
  },
  /** A directory with empty files. */
  fill: (name, { root, files }) => {
    const path = join(root, name);
    fs.mkdirSync(path, { recursive: true });
    for (let n = 0; n < files; n++) fs.closeSync(fs.openSync(join(path, `f${n}`), 'w'));
  },
  /** A directory with files that have content. */
  smallFiles: (name, { root, files, bytes }) => {
    const path = join(root, name);
    fs.mkdirSync(path, { recursive: true });
    const content = Buffer.alloc(bytes, name);
    for (let n = 0; n < files; n++) fs.writeFileSync(join(path, `f${n}`), content);
  },
  /** A volume that was made some time ago: its record and its directory. */
  seed: (name, { root, volumes }) => {
    const { record, text, path } = volumes[name];
    for (const file of [record, path]) fs.mkdirSync(join(root, dirname(file)), { recursive: true, mode: 0o711 });
    fs.mkdirSync(join(root, path), 0o777);
    fs.writeFileSync(join(root, record), text, { mode: 0o600 });
  },
  bind: (name, { source, root }) => {
    const target = join(root, name);
    fs.mkdirSync(target, 0o750);
    must('mount', target, native.mount(source, target, 'none', MS_BIND, ''));
  },
  unbind: (name, { root }) => {
    const target = join(root, name);
    must('umount', target, native.umount2(target, 0));
    fs.rmdirSync(target);
  },
  spawnedBind: (name, { source, root }) => {
    const target = join(root, name);
    fs.mkdirSync(target, 0o750);
    spawned('mount', ['--bind', source, target]);
  },
  spawnedUnbind: (name, { root }) => {
    const target = join(root, name);
    spawned('umount', [target]);
    fs.rmdirSync(target);
  },
};
