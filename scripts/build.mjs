// Bundles Kayal: dist/kayal.js is the program, dist/io-worker.js the code of the threads that make system calls on pools.
import { chmodSync } from 'node:fs';
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
