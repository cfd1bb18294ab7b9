// npm run e2e:kubernetes [-- FLAGS]: Kubernetes' own storage tests (External.Storage) on the cluster of npm run e2e.
import {
  build,
  ensureDebianPackages,
  ensureNpmPackages,
  main,
  requireGo,
  requireNode,
  requireRoot,
  runTypeScript,
} from './lib/setup.mjs';

await main((args) => {
  requireNode();
  requireRoot('A cluster of three nodes');
  requireGo('The build of Kubernetes');
  ensureNpmPackages();
  ensureDebianPackages('gluster', 'tests', 'image', 'e2e');
  build();
  return runTypeScript('test/e2e/suite/main.ts', args);
});
