// Programs of another processor, run by QEMU (package qemu-user-static) through binfmt_misc.
import { existsSync, writeFileSync } from 'node:fs';
import { HOST } from './architectures.mjs';
import { run } from './setup.mjs';

const DIRECTORY = '/proc/sys/fs/binfmt_misc';
/** An ELF file of 64 bits for AArch64, executable or shared; as in QEMU's scripts/qemu-binfmt-conf.sh. */
const MAGIC = String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`;
const MASK = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`;
const NAME = 'kayal-aarch64';

/**
 * Runs `work` while this machine can run programs of an architecture; what it did to the kernel for that is undone.
 * F (binfmt-misc.rst): QEMU is opened now, so that it is found in every root.
 */
export async function withArchitecture(architecture, work) {
  if (architecture === HOST) return work();
  if (existsSync(`${DIRECTORY}/qemu-aarch64`) === true) return work();
  const isMounted = existsSync(`${DIRECTORY}/register`) === true;
  if (!isMounted) run('mount', ['-t', 'binfmt_misc', 'binfmt_misc', DIRECTORY]);
  try {
    if (existsSync(`${DIRECTORY}/${NAME}`) === true) writeFileSync(`${DIRECTORY}/${NAME}`, '-1');
    writeFileSync(`${DIRECTORY}/register`, `:${NAME}:M::${MAGIC}:${MASK}:/usr/bin/qemu-aarch64-static:F`);
    return await work();
  } finally {
    if (existsSync(`${DIRECTORY}/${NAME}`) === true) writeFileSync(`${DIRECTORY}/${NAME}`, '-1');
    if (!isMounted) run('umount', [DIRECTORY]);
  }
}
