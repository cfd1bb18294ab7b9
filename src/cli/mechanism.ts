import { dataBricks, isArbiterBrick, shapeOf } from '../gluster/volfile/group-shape.js';
import { bricksKey } from '../linux/brick-connection.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { Tree } from '../linux/tree.js';
import type { PoolConfig } from '../pools/types.js';
import { chooseMechanism, type Candidate, type Candidates } from '../quota/choose.js';
import { GlusterMechanism } from '../quota/gluster.js';
import type { MechanismName, QuotaMechanism } from '../quota/mechanism.js';
import { noLimits } from '../quota/none.js';
import { ProjectMechanism } from '../quota/project.js';
import { SimpleMechanism } from '../quota/simple.js';

export interface MechanismOptions {
  readonly config: PoolConfig;
  /** The control mount. */
  readonly tree: Tree;
  /** What pool.json says; undefined for a new pool. */
  readonly recorded: MechanismName | undefined;
  /** What the graph of a managed pool was built for. */
  readonly graph: MechanismName | undefined;
  readonly io: IoWorkers;
}

const impossible = (reason: string): Candidate => ({ impossible: reason });

async function projectOf({ config, tree, io }: MechanismOptions): Promise<Candidate> {
  if (config.type === 'gluster') return impossible('its bricks are on other machines');
  if (config.type === 'directory') return new ProjectMechanism({ trees: [tree], seed: config.name });
  const [first, ...others] = await openBricks(io, bricksKey(config.name), config.bricks);
  if (first === undefined) return impossible('it has no bricks');
  const shape = shapeOf(config);
  return new ProjectMechanism({
    trees: [first, ...others],
    seed: config.name,
    writtenByRoot: true,
    ownsTrees: true,
    groups: config.bricks.length / shape.size,
    dataBricks: dataBricks(shape),
    holdsData: (index) => !isArbiterBrick(shape, index % shape.size),
  });
}

/** All of them or none. */
async function openBricks(io: IoWorkers, key: string, bricks: readonly string[]): Promise<Tree[]> {
  const trees: Tree[] = [];
  try {
    for (const brick of bricks) trees.push(await Tree.open(io, key, brick));
    return trees;
  } catch (error) {
    await Promise.all(trees.map((tree) => tree.close()));
    throw error;
  }
}

function glusterOf({ config, tree }: MechanismOptions): Candidate {
  return new GlusterMechanism({
    tree,
    volume: config.type === 'gluster' ? config.volume : undefined,
    profile: config.type === 'managed' ? config.quotaProfile : 'exact',
  });
}

/** A graph without the translator of a mechanism would take its limits and not keep them. */
function problemOf({ config, graph }: MechanismOptions, name: MechanismName): string | undefined {
  if (config.type === 'directory' && name !== 'project') return 'the pool is a plain directory, not GlusterFS';
  if (config.type !== 'managed' || graph === undefined || graph === name) return undefined;
  return `the bricks were made for quota ${graph}`;
}

function candidatesFor(options: MechanismOptions): Candidates {
  const unless = (name: MechanismName, make: () => Candidate | Promise<Candidate>) => async (): Promise<Candidate> => {
    const reason = problemOf(options, name);
    return reason === undefined ? make() : { impossible: reason };
  };
  return {
    project: unless('project', () => projectOf(options)),
    gluster: unless('gluster', () => glusterOf(options)),
    simple: unless('simple', () => new SimpleMechanism({ tree: options.tree })),
  };
}

/**
 * The mechanism of a pool, probed: the one on record, the one that the config names, or the first that works. The caller
 * closes it.
 * @throws what `chooseMechanism` throws
 */
export function createMechanism(options: MechanismOptions): Promise<QuotaMechanism> {
  const { config, recorded } = options;
  return chooseMechanism({
    pool: config.name,
    wanted: config.quota,
    recorded,
    groups: config.type === 'managed' ? config.bricks.length / shapeOf(config).size : 1,
    none: noLimits,
    candidates: candidatesFor(options),
  });
}
