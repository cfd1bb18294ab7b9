// Bundles Kayal: dist/kayal.js is the program, dist/io-worker.js the code of the threads that make system calls on pools,
// dist/plugin/kubectl-kayal the plugin for kubectl, one file that is copied to where kubectl finds it.
import { chmodSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

await build({
  entryPoints: { kayal: 'src/main.ts', 'io-worker': 'src/linux/io-worker.ts' },
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: true,
  external: ['koffi'],
  logLevel: 'warning',
  // CommonJS dependencies inside an ES module bundle call require and read __dirname.
  banner: {
    js: [
      '#!/usr/bin/env node',
      "import { createRequire as __createRequire } from 'node:module';",
      "import { fileURLToPath as __fileURLToPath } from 'node:url';",
      'const require = __createRequire(import.meta.url);',
      'const __filename = __fileURLToPath(import.meta.url);',
      "const __dirname = __fileURLToPath(new URL('.', import.meta.url));",
    ].join('\n'),
  },
});
chmodSync('dist/kayal.js', 0o755);

await build({
  entryPoints: ['src/plugin/main.ts'],
  outfile: 'dist/plugin/kubectl-kayal',
  bundle: true,
  platform: 'node',
  target: 'node20',
  // A file without an extension is CommonJS wherever it is copied to; here its directory has to say so.
  format: 'cjs',
  logLevel: 'warning',
  banner: { js: '#!/usr/bin/env node' },
});
writeFileSync('dist/plugin/package.json', '{ "type": "commonjs" }\n');
chmodSync('dist/plugin/kubectl-kayal', 0o755);
