import { parseArgs } from 'node:util';
import type { Spec } from '../../sanity/junit.js';
import { say, withCluster } from '../lib/session.js';
import { DRIVERS, runSuite, type Driver } from './suite.js';

const HELP = `Usage: npm run e2e:kubernetes -- [FLAGS]

  --driver NAME    ${DRIVERS.join(' or ')}; default: both
  --focus PATTERN  only the specs whose name matches
  --quick          a slice of them, in 8 minutes when everything is built
  --keep, --again  as of npm run e2e
`;

/** What is not run at all, and why (docs/e2e.md). */
const SKIPPED = [
  // They take long, or disturb the other specs.
  '\\[Slow\\]',
  '\\[Disruptive\\]',
  '\\[Serial\\]',
  '\\[Flaky\\]',
  '\\[Feature:Windows\\]',
  // Needs two programs of other projects, of which there are only images: hello-populator and volume-data-source-validator.
  'any volume data source',
];

/** One group of specs per capability. */
const QUICK = 'should (store data|create read/write|resize volume|provision storage with)';

const { values: flags } = parseArgs({
  options: {
    driver: { type: 'string' },
    focus: { type: 'string' },
    quick: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    again: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const aborter = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => aborter.abort(new Error(`${signal} came`)));

/** Why specs were skipped by themselves, with their number. */
function reasons(specs: readonly Spec[]): string {
  const counts = new Map<string, number>();
  for (const { message } of specs) counts.set(message, (counts.get(message) ?? 0) + 1);
  return [...counts].map(([message, count]) => `  ${count} × ${message}\n`).join('');
}

/** @returns whether no spec failed, and some ran */
function report(driver: Driver, specs: readonly Spec[]): boolean {
  const of = (status: Spec['status']): readonly Spec[] => specs.filter((spec) => spec.status === status);
  for (const { name, message } of of('failed'))
    process.stdout.write(`FAILED  ${name}\n${message.replaceAll(/^/gm, '        ')}\n`);
  if (of('skipped').length > 0) process.stdout.write(`skipped by themselves:\n${reasons(of('skipped'))}`);
  say(`${driver}: ${of('passed').length} passed, ${of('failed').length} failed, ${of('skipped').length} skipped`);
  return of('failed').length === 0 && of('passed').length > 0;
}

async function main(): Promise<number> {
  if (flags.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const drivers = DRIVERS.filter((driver) => flags.driver === undefined || flags.driver === driver);
  if (drivers.length === 0) throw new Error(`--driver: ${DRIVERS.join(' or ')}`);
  const wanted = flags.focus ?? (flags.quick ? QUICK : '');
  const focus = ['External.Storage', ...(wanted === '' ? [] : [wanted])];
  const isGood = await withCluster({
    keep: flags.keep,
    again: flags.again,
    signal: aborter.signal,
    use: async (cluster) => {
      let isAllGood = true;
      for (const driver of drivers) {
        const specs = await runSuite(cluster, {
          driver,
          focus: focus.join('.*'),
          skip: SKIPPED.join('|'),
          signal: aborter.signal,
        });
        isAllGood = report(driver, specs) && isAllGood;
      }
      return isAllGood;
    },
  });
  return isGood ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
