// Started by trixie.ts in a mount and a pid namespace of its own: mounts what a root directory needs, and goes there.
// Plain Node.js, so that it starts at once.
import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const { root, share, command, cwd } = JSON.parse(process.argv[2]);

function mount(...args) {
  const { status, error, stderr } = spawnSync('mount', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mount ${args.join(' ')}: ${error?.message ?? stderr}`);
}

/**
 * A mount needs a file or directory to lie on.
 * @param {string} path
 */
function makeTarget(path) {
  if (statSync(path).isDirectory() === true) {
    mkdirSync(root + path, { recursive: true });
  } else {
    mkdirSync(dirname(root + path), { recursive: true });
    writeFileSync(root + path, '', { flag: 'a' });
  }
}

// chroot(2) into a mount point, so that /proc/self/mountinfo has a line for the root.
mount('--bind', root, root);
mount('-t', 'proc', 'proc', `${root}/proc`);
mount('--rbind', '/sys', `${root}/sys`);
mount('--rbind', '/dev', `${root}/dev`);
for (const path of ['/run', '/tmp', '/var/log', '/var/lib/glusterd']) {
  mkdirSync(root + path, { recursive: true });
  mount('-t', 'tmpfs', '-o', 'mode=1777', 'tmpfs', root + path);
}
for (const path of share) {
  makeTarget(path);
  mount('--bind', path, root + path);
}
// --chdir belongs to env: chroot(1)'s own would look before it has the new root.
const args = [root, 'env', `--chdir=${cwd}`, ...command];
const { status, error } = spawnSync('chroot', args, { stdio: 'inherit' });
if (error !== undefined) throw error;
process.exitCode = status ?? 1;
