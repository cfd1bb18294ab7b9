import { parseArgs } from 'node:util';
import { allChecks } from './checks/index.js';
import type { Check } from './lib/check.js';
import { runChecks } from './lib/runner.js';
import { removeEarlierRuns, say, withCluster } from './lib/session.js';

const HELP = `Usage: npm run e2e -- [FLAGS]

  --only PATTERN   only the checks whose name matches (a regular expression, any case); may be given several times
  --quick          a slice of them, in 8 minutes when everything is built
  --keep           leave the cluster up, and say how to use it
  --again          install the chart as it is now on the cluster that --keep left, and run the checks there
  --stop           take that cluster away
  --list           name the checks
`;

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    again: { type: 'boolean', default: false },
    stop: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const aborter = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => aborter.abort(new Error(`${signal} came`)));

function wantedChecks(): readonly Check[] {
  const patterns = flags.only.map((pattern) => new RegExp(pattern, 'i'));
  return allChecks
    .filter(({ isQuick = false }) => isQuick || !flags.quick)
    .filter(({ name }) => patterns.length === 0 || patterns.some((pattern) => pattern.test(name)));
}

async function main(): Promise<number> {
  if (flags.help || flags.list) {
    process.stdout.write(flags.help ? HELP : allChecks.map(({ name }) => `${name}\n`).join(''));
    return 0;
  }
  if (flags.stop) {
    await removeEarlierRuns();
    return 0;
  }
  const checks = wantedChecks();
  if (checks.length === 0) throw new Error('no check has such a name; --list names them');
  const { signal } = aborter;
  let summary = '';
  const isGood = await withCluster({
    keep: flags.keep,
    again: flags.again,
    builtImages: checks.some(({ needsBuiltImages = false }) => needsBuiltImages),
    signal,
    use: async (cluster) => {
      const { passed, failed, notYet } = await runChecks(cluster, checks, signal);
      summary = `${passed} passed, ${failed} failed${notYet > 0 ? `, ${notYet} not yet` : ''}`;
      return failed === 0;
    },
  });
  say(summary);
  return isGood && !signal.aborted ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
