// npm run manifests [-- --values FILE] [--kubernetes VERSION] [--output FILE]: the Helm chart as plain YAML in dist/kayal.yaml.
import { ensureNpmPackages, main, requireGo, requireNode, runTypeScript } from './lib/setup.mjs';

await main((args) => {
  requireNode();
  requireGo('helm');
  ensureNpmPackages();
  return runTypeScript('test/chart/render-manifests.ts', args);
});
