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
  // They stop kubelet through ssh.
  '\\[Disruptive\\]',
  '\\[Flaky\\]',
  '\\[Feature:Windows\\]',
  // Needs two programs of other projects, of which there are only images: hello-populator and volume-data-source-validator.
  'any volume data source',
  // Expects no raw block volumes where the driver file states none; `filesystem` does not, as it would be asked for RWX ones.
  'should fail in binding dynamic provisioned PV to PVC',
];

/** One group of specs per capability, without those that take minutes each or run alone. */
const QUICK = {
  focus: 'should (store data|create read/write|resize volume|provision storage with|modify volume|block a second pod)',
  skipped: ['\\[Slow\\]', '\\[Serial\\]'],
};

/**
 * How many specs are known to run, of all and of the slice: fewer mean that a driver file or a class does not say any more
 * what there is.
 */
const LEAST: Readonly<Record<Driver, { readonly all: number; readonly quick: number }>> = {
  filesystem: { all: 94, quick: 17 },
  block: { all: 111, quick: 21 },
};

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

/** @returns whether no spec failed, and at least so many ran */
function report(driver: Driver, specs: readonly Spec[], least: number): boolean {
  const of = (status: Spec['status']): readonly Spec[] => specs.filter((spec) => spec.status === status);
  for (const { name, message } of of('failed'))
    process.stdout.write(`FAILED  ${name}\n${message.replaceAll(/^/gm, '        ')}\n`);
  if (of('skipped').length > 0) process.stdout.write(`skipped by themselves:\n${reasons(of('skipped'))}`);
  say(`${driver}: ${of('passed').length} passed, ${of('failed').length} failed, ${of('skipped').length} skipped`);
  const ran = of('passed').length + of('failed').length;
  if (ran < least)
    say(`FAILED: ${driver}: ${ran} specs ran, and there were ${least} (LEAST in test/e2e/suite/main.ts)`);
  return of('failed').length === 0 && ran >= least;
}

async function main(): Promise<number> {
  if (flags.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const drivers = DRIVERS.filter((driver) => flags.driver === undefined || flags.driver === driver);
  if (drivers.length === 0) throw new Error(`--driver: ${DRIVERS.join(' or ')}`);
  const focus = [
    'External.Storage',
    ...[flags.focus, ...(flags.quick ? [QUICK.focus] : [])].flatMap((one) => one ?? []),
  ];
  const skip = [...SKIPPED, ...(flags.quick ? QUICK.skipped : [])];
  const leastOf = (driver: Driver): number =>
    flags.focus === undefined ? LEAST[driver][flags.quick ? 'quick' : 'all'] : 1;
  const isGood = await withCluster({
    keep: flags.keep,
    again: flags.again,
    builtImages: false,
    signal: aborter.signal,
    use: async (cluster) => {
      let isAllGood = true;
      for (const driver of drivers) {
        const specs = await runSuite(cluster, {
          driver,
          focus: focus.join('.*'),
          skip: skip.join('|'),
          signal: aborter.signal,
        });
        isAllGood = report(driver, specs, leastOf(driver)) && isAllGood;
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
