import { mustRun } from './run-command.js';

/** Fills a directory with what a filesystem can hold. @param options.acl with POSIX ACLs, too */
export async function fillRichTree(path: string, { acl }: { readonly acl: boolean }): Promise<void> {
  const script = `
      set -e
      mkdir -p deep/er/est; printf hello > deep/er/est/file; chown 1000:2000 deep deep/er/est/file; chmod 2770 deep
      chmod 4755 deep/er/est/file; touch -d 2001-02-03T04:05:06.789 deep/er/est/file
      dd if=/dev/urandom of=large bs=1M count=12 status=none; dd if=/dev/urandom of=small bs=1 count=4097 status=none
      dd if=/dev/urandom of=sparse bs=4096 count=2 seek=3000 status=none; truncate -s 20000001 sparse
      ln small hard1; ln small deep/hard2; ln -s ../nowhere dangling; ln -s small link; touch -h -d 2002-02-02 dangling
      mkfifo -m 0640 fifo; chown 5:6 fifo; : > empty; : > 'na me
      line'; setfattr -n user.kayal -v 'value of it' deep; setfattr -n user.kayal -v file small
      for d in 1 2 3; do mkdir m$d; for f in $(seq 8); do echo $d $f > m$d/$f; done; done
      touch -d 1999-12-31T23:59:59 m3 deep/er; chmod 1733 .; chown 77:88 .`;
  await mustRun('bash', ['-c', script], { cwd: path });
  if (acl) await mustRun('setfacl', ['-m', 'u:1234:rw,d:u:1234:rx', 'deep'], { cwd: path });
}

/** All that can be said of a tree: what is in it, how much space it takes, who may do what. */
export async function describeTree(path: string): Promise<string> {
  const list = await mustRun('bash', ['-c', "find . -printf '%p %y %m %U %G %n %T@ %l\\n' | sort"], { cwd: path });
  const lines = list.replaceAll(/^(\S+ d \S+ \S+ \S+) \d+/gm, '$1');
  const sums = await mustRun('bash', ['-c', 'find . -type f -print0 | sort -z | xargs -0 -r sha256sum'], { cwd: path });
  const xattrs = await mustRun(
    'bash',
    ['-c', "find . -not -type l -not -type p -print0 | sort -z | xargs -0 getfattr -hd -m '^(user|system.posix)'"],
    { cwd: path },
  );
  return `${lines}\n${sums}\n${xattrs}`;
}
