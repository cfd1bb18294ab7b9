// node scripts/image.mjs: builds the container image from the Dockerfile with buildah and says how large it is.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ARCHITECTURES, HOST } from './lib/architectures.mjs';
import { BASE_IMAGE, baseImage, ensureBaseImage } from './lib/base-image.mjs';
import { withArchitecture } from './lib/emulation.mjs';
import { capture, ensureDebianPackages, main, requireNode, requireRoot, run, SetupError } from './lib/setup.mjs';

const HELP = `Usage: node scripts/image.mjs [FLAGS]

  --name NAME       default: ghcr.io/kayal-storage/kayal:<version of package.json>
  --debootstrap     make ${BASE_IMAGE} with debootstrap instead of pulling it
  --arch ARCH       ${Object.keys(ARCHITECTURES).join(' or ')}; another one than this machine's is emulated (QEMU, slow)
  --archive FILE    write the image as an OCI archive too (for "ctr images import")
`;

function flags(args) {
  try {
    return parseArgs({
      args,
      options: {
        name: { type: 'string' },
        arch: { type: 'string' },
        archive: { type: 'string' },
        debootstrap: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${HELP}`);
  }
}

/** The commit, with -dirty after it when the tree is not exactly that; '' outside of git. */
function revision() {
  try {
    return execFileSync('git', ['describe', '--always', '--abbrev=40', '--exclude=*', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return '';
  }
}

function megabytes(bytes) {
  return `${Math.round(Number(bytes) / 1e6)} MB`;
}

/** Starts the image's programs and lists what takes most of its space. */
function report(name) {
  const container = capture('buildah', ['from', '--pull-never', name]);
  try {
    const inside = (...command) => capture('buildah', ['run', container, '--', ...command]);
    console.log(`\n${name}: ${inside('kayal', '--version')}, Node.js ${inside('node', '--version')}`);
    console.log(inside('glusterfs', '--version').split('\n')[0]);
    const total = inside('du', '--summarize', '--bytes', '--one-file-system', '/').split('\t')[0];
    const paths = [
      '/usr/local/bin/node',
      '/usr/lib/kayal',
      '/usr/lib/python3*',
      '/usr/lib/*/glusterfs',
      '/usr/lib/*/perl*',
    ];
    const parts = inside('sh', '-c', `du --summarize --bytes ${paths.join(' ')} 2>/dev/null || true`).split('\n');
    console.log(`uncompressed: ${megabytes(total)}`);
    for (const [bytes, path] of parts.map((line) => line.split('\t'))) console.log(`  ${megabytes(bytes)}  ${path}`);
  } finally {
    capture('buildah', ['rm', container]);
  }
}

async function build({ image, version, arch, archive, debootstrap }) {
  const isEmulated = arch !== HOST;
  if (debootstrap === true) await ensureBaseImage(arch);
  const values = {
    VERSION: version,
    REVISION: revision(),
    CREATED: new Date().toISOString(),
    ...(debootstrap === true && isEmulated ? { BASE: baseImage(arch) } : {}),
  };
  // Certificate authorities that only this machine trusts (a proxy that opens TLS) are trusted by npm in the build.
  const certificates = process.env['NODE_EXTRA_CA_CERTS'];
  run('buildah', [
    'build',
    `--pull=${debootstrap === true ? 'never' : 'ifmissing'}`,
    '--format=oci',
    '--layers',
    ...(isEmulated ? [`--platform=linux/${arch}`] : []),
    ...(certificates === undefined ? [] : [`--secret=id=certificates,src=${certificates}`]),
    ...Object.entries(values).map(([key, value]) => `--build-arg=${key}=${value}`),
    `--tag=${image}`,
    '.',
  ]);
  report(image);
  if (archive !== undefined) run('buildah', ['push', '--quiet', image, `oci-archive:${archive}:${image}`]);
}

await main(async (args) => {
  const { name, arch = HOST, archive, debootstrap, help } = flags(args);
  if (help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  if (!Object.hasOwn(ARCHITECTURES, arch)) {
    throw new SetupError(`--arch ${arch}: an image is made for ${Object.keys(ARCHITECTURES).join(' or ')}`);
  }
  requireNode();
  requireRoot('buildah with chroot isolation');
  ensureDebianPackages('image', ...(arch === HOST ? [] : ['emulation']));
  // Neither a container runtime nor namespaces are needed then, so that it works inside of containers too.
  process.env['BUILDAH_ISOLATION'] ??= 'chroot';
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  const suffix = arch === HOST ? '' : `-${arch}`;
  const image = name ?? `ghcr.io/kayal-storage/kayal:${version}${suffix}`;
  await withArchitecture(arch, () => build({ image, version, arch, archive, debootstrap }));
  return 0;
});
