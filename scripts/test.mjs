// npm test: everything that needs no Kubernetes. `npm test -- unit gluster` runs these parts alone; test/runner has them.
// With --long, `faults` has its long part, too, and `gluster` and `measured` try all of every layout.
import {
  build,
  ensureDebianPackages,
  ensureNpmPackages,
  main,
  requireGo,
  requireNode,
  requireRoot,
  runTypeScript,
  SetupError,
} from './lib/setup.mjs';

/** What a part needs besides the npm packages. */
const NEEDS = {
  build: [],
  generated: [],
  format: [],
  lint: [],
  types: [],
  unit: ['dist'],
  chart: ['go'],
  gluster: ['dist', 'gluster'],
  faults: ['dist', 'gluster'],
  measured: ['dist', 'gluster'],
  bench: ['dist', 'gluster'],
  demo: ['gluster'],
  sanity: ['dist', 'gluster', 'go'],
  'project-quota': ['dist', 'gluster'],
};

await main((given) => {
  const started = performance.now();
  const args = given.filter((arg) => arg !== '--long');
  const isLong = args.length < given.length;
  const parts = new Set(args.length > 0 ? args : Object.keys(NEEDS));
  const unknown = [...parts].filter((part) => !Object.hasOwn(NEEDS, part));
  if (unknown.length > 0) {
    throw new SetupError(`${unknown.join(', ')}: no such part; there is ${Object.keys(NEEDS).join(', ')}`);
  }
  if (isLong && !['faults', 'gluster', 'measured'].some((part) => parts.has(part))) {
    throw new SetupError('--long: only faults, gluster and measured have more to do');
  }
  const needs = new Set([...parts].flatMap((part) => NEEDS[part]));
  requireNode();
  if (needs.has('gluster')) requireRoot('The test of real GlusterFS');
  if (needs.has('go')) requireGo('The test with csi-sanity and helm');
  ensureNpmPackages();
  if (needs.has('gluster')) ensureDebianPackages('gluster', 'tests');
  if (needs.has('dist') && !parts.has('build')) build();
  return runTypeScript('test/runner/main.ts', [...parts], {
    KAYAL_TEST_SETUP_MS: String(Math.round(performance.now() - started)),
    ...(isLong ? { KAYAL_TEST_LONG: '1' } : {}),
  });
});
