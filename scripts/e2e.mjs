// npm run e2e [-- FLAGS]: a Kubernetes cluster of three real nodes on this machine, Kayal in it by its chart, and checks of both (test/e2e).
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
  return runTypeScript('test/e2e/main.ts', args);
});
