// Writes src/gen from proto/: the message types (proto-loader-gen-types) and the schemas as one JSON, so that the bundle
// needs no .proto beside it and the log redactor can see csi_secret (proto-loader's descriptors drop it).
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import protobuf from 'protobufjs';

const out = process.argv[2] ?? 'src/gen';
const PROTOS = ['csi.proto', 'pluginregistration.proto'];
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
execFileSync(
  'node_modules/.bin/proto-loader-gen-types',
  [
    '--longs=String',
    '--enums=String',
    '--defaults',
    '--oneofs',
    '--keepCase',
    '--includeComments',
    '--grpcLib=@grpc/grpc-js',
    '--importFileExtension=.js',
    '--targetFileExtension=.ts',
    '-I',
    'proto',
    '-O',
    out,
    '--',
    ...PROTOS,
  ],
  { stdio: 'inherit' },
);
// protobufjs ships descriptor.proto as JSON but, unlike its other common files, does not register it by itself.
const descriptor = createRequire(import.meta.url)('protobufjs/google/protobuf/descriptor.json');
protobuf.common('descriptor', descriptor.nested.google.nested.protobuf.nested);
const root = new protobuf.Root();
// One after the other: read at the same time, the files would come in any order.
for (const file of PROTOS) await root.load(`proto/${file}`, { keepCase: true });
writeFileSync(`${out}/schema.json`, `${JSON.stringify(root.toJSON())}\n`);
