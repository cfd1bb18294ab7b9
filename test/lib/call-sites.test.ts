import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { callSites, callSitesIn, sourceFiles, tablesOf } from './call-sites.js';

it('finds calls through the tables, and names them by their function', () => {
  const text = [
    "import { machine } from '../linux/machine.js';",
    "import { sys } from './sys.js';",
    '// sys.mkdirat() in a comment',
    'export function make(root: number): void {',
    '  sys.mkdirat(root, name, 0, about);',
    '  if (late) sys.mkdirat(root, other, 0, about);',
    '}',
    'class Lock {',
    '  static async acquire(directory: string): Promise<Lock> {',
    '    const file = await machine.open(path, "a");',
  ].join('\n');
  expect(callSitesIn('src/linux/a.ts', text)).toEqual([
    { label: 'linux/a.ts make mkdirat', file: 'src/linux/a.ts', line: 5, call: 'mkdirat' },
    { label: 'linux/a.ts make mkdirat #2', file: 'src/linux/a.ts', line: 6, call: 'mkdirat' },
    { label: 'linux/a.ts acquire open', file: 'src/linux/a.ts', line: 10, call: 'open' },
  ]);
});

it('each has a name of its own', async () => {
  const labels = (await callSites()).map(({ label }) => label);
  expect(labels.length).toBeGreaterThan(100);
  expect([...new Set(labels)]).toEqual(labels);
});

/** Where the tables are made, and what is below them. */
const EXEMPT = new Set([
  'src/linux/machine.ts',
  'src/linux/sys.ts',
  'src/linux/fault-points.ts',
  'src/linux/testing.ts',
  // Its own socket, which the next start removes; rpc does not know linux.
  'src/rpc/server.ts',
]);
/** They hand a table to fault-points.ts. */
const ENTRIES = new Set(['src/main.ts', 'src/linux/io-worker.ts']);
const CHANGING =
  /\b(?:appendFile|chmod|chown|copyFile|cp|lchown|link|mkdir|mkdtemp|rename|rm|rmdir|symlink|truncate|unlink|utimes|writeFile|spawn|fork|exec)(?:Sync)?\b/;

it('nothing is changed past the tables, where no test could stop it', async () => {
  const sys = await readFile('src/linux/sys.ts', 'utf8');
  const calls = [...sys.matchAll(/^ {2}\w+: (?:libc|gfapi)\.(\w+),$/gm)].map(([, name]) => name ?? '');
  expect(calls.length).toBeGreaterThan(20);
  // These read, too: ioctl and quotactl by their request, openat2 unless its flags are those of CREATE.
  const reading = new Set(['openat2', 'ioctl', 'quotactlFd']);
  const direct = new RegExp(`\\b(?:libc|gfapi)\\.(?:${calls.filter((name) => !reading.has(name)).join('|')})\\(`);
  for (const file of await sourceFiles()) {
    if (EXEMPT.has(file)) continue;
    const text = await readFile(file, 'utf8');
    const imports = [...text.matchAll(/import \{([^}]*)\} from 'node:(?:fs|fs\/promises|child_process)'/g)];
    for (const [, names = ''] of imports)
      expect({ file, call: CHANGING.exec(names)?.[0] }).toEqual({ file, call: undefined });
    expect({ file, call: direct.exec(text)?.[0] }).toEqual({ file, call: undefined });
    const tables = tablesOf(text).join('|');
    if (tables === '' || ENTRIES.has(file)) continue;
    // Its calls would be made from somewhere else.
    const handedOn = new RegExp(`\\b(?:${tables})\\.\\w+\\b(?![(])|[(,=] *(?:${tables})[),;]`);
    const code = text.replaceAll(/^(?:import .*|\s*(?:\/\/|\/?\*).*)$/gm, '');
    expect({ file, call: handedOn.exec(code)?.[0] }).toEqual({ file, call: undefined });
  }
});
