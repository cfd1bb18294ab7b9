import { describe, expect, it } from 'vitest';
import { cgroupDirectory, parseCgroups } from './cgroups.js';
import { parseMountinfo } from './mountinfo.js';

describe('cgroups of a process', () => {
  it('of version 1 and 2, whatever is in the path', () => {
    expect(parseCgroups('4:cpu,cpuacct:/a:b\n1:name=systemd:/init.scope\n0::/\nnonsense\n')).toEqual([
      { controllers: 'cpu,cpuacct', path: '/a:b' },
      { controllers: 'name=systemd', path: '/init.scope' },
      { controllers: '', path: '/' },
    ]);
  });
});

describe('where a cgroup is', () => {
  const mounts = (...lines: string[]) => parseMountinfo(`${lines.join('\n')}\n`);
  const memory = (root: string) => `30 1 0:30 ${root} /cg/memory rw - cgroup cgroup rw,memory`;
  const unified = (root: string) => `31 1 0:31 ${root} /cg rw - cgroup2 cgroup2 rw`;

  it('in the whole hierarchy, of the right version and controllers', () => {
    const entries = mounts(unified('/'), memory('/'), '32 1 0:32 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct');
    expect(cgroupDirectory(entries, { controllers: '', path: '/' })).toBe('/cg/');
    expect(cgroupDirectory(entries, { controllers: '', path: '/pods/a' })).toBe('/cg/pods/a');
    expect(cgroupDirectory(entries, { controllers: 'memory', path: '/pods/a' })).toBe('/cg/memory/pods/a');
    expect(cgroupDirectory(entries, { controllers: 'cpuacct,cpu', path: '/x' })).toBe('/cg/cpu/x');
    expect(cgroupDirectory(entries, { controllers: 'pids', path: '/x' })).toBeUndefined();
  });

  it('in a part of it, as a container has it in version 1', () => {
    const entries = mounts(memory('/pods/a'));
    expect(cgroupDirectory(entries, { controllers: 'memory', path: '/pods/a' })).toBe('/cg/memory');
    expect(cgroupDirectory(entries, { controllers: 'memory', path: '/pods/a/b' })).toBe('/cg/memory/b');
    expect(cgroupDirectory(entries, { controllers: 'memory', path: '/pods/ab' })).toBeUndefined();
  });

  it('above the cgroup namespace, which no path leads to by itself', () => {
    const outside = { controllers: '', path: '/../../pods/b' };
    expect(cgroupDirectory(mounts(unified('/')), outside)).toBeUndefined();
    expect(cgroupDirectory(mounts(unified('/../..')), outside)).toBe('/cg/pods/b');
    // As a container shows it that has a cgroup namespace of its own.
    expect(cgroupDirectory(mounts(unified('/../../pods/b')), outside)).toBe('/cg');
  });
});
