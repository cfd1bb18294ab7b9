// npm run demo: the whole life of a volume on real GlusterFS, from nothing (test/demo). Installs what it needs first.
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
  requireRoot('The demo');
  ensureNpmPackages();
  ensureDebianPackages('gluster');
  build();
  return runTypeScript('test/demo/main.ts', args);
});
