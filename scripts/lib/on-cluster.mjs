import {
  build,
  ensureDebianPackages,
  ensureNpmPackages,
  main,
  requireGo,
  requireNode,
  requireRoot,
  runTypeScript,
} from './setup.mjs';

/** Runs a program of test/e2e with this program's flags, when all that a cluster needs is there. */
export function onCluster(program) {
  return main((args) => {
    requireNode();
    requireRoot('A cluster of three nodes');
    requireGo('The build of Kubernetes');
    ensureNpmPackages();
    ensureDebianPackages('gluster', 'tests', 'image', 'e2e');
    build();
    return runTypeScript(program, args);
  });
}
