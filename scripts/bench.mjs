// npm run bench: Kayal against the least that the machine needs for the same (bench/). Installs what it needs first.
import {
  build,
  ensureDebianPackages,
  ensureNpmPackages,
  main,
  requireNode,
  requireRoot,
  runTypeScript,
} from './lib/setup.mjs';

await main((args) => {
  requireNode();
  requireRoot('The benchmark');
  ensureNpmPackages();
  ensureDebianPackages('gluster', 'bench');
  build();
  return runTypeScript('bench/main.ts', args);
});
