import { describe, expect, it } from 'vitest';
import { parseMountinfo } from '../linux/mountinfo.js';
import { mountsToDrop } from './run-directory.js';

function table(...targets: string[]): ReturnType<typeof parseMountinfo> {
  return parseMountinfo(
    targets.map((target, index) => `${index + 2} 1 0:${index} / ${target} rw - tmpfs tmpfs rw\n`).join(''),
  );
}

describe('mountsToDrop', () => {
  const paths = ['/data/bricks/b0', '/var/lib/kayal/p', '/run/gluster'];

  it('keeps the system and what leads to the paths', () => {
    expect(
      mountsToDrop(
        table(
          '/',
          '/proc',
          '/dev/pts',
          '/etc/resolv.conf',
          '/run',
          '/data',
          '/data/bricks',
          '/data/bricks/b0',
          '/var/lib/kayal',
        ),
        paths,
      ),
    ).toEqual([]);
  });

  it('drops other disks and clients, the outermost of each tree', () => {
    expect(
      mountsToDrop(
        table(
          '/',
          '/data/other',
          '/var/lib/kubelet',
          '/var/lib/kubelet/pods/x',
          '/var/lib/kayal/p/mnt',
          '/data/bricks/b00',
        ),
        paths,
      ),
    ).toEqual(['/data/other', '/var/lib/kubelet', '/var/lib/kayal/p/mnt', '/data/bricks/b00']);
  });

  it('drops a stacked mount as often as it is there', () => {
    expect(mountsToDrop(table('/mnt', '/mnt'), paths)).toEqual(['/mnt', '/mnt']);
  });
});
