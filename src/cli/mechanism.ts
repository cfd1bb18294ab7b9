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

/** A graph without the translator of a mechanism would take its limits and not keep them. */
function inGraph(options: MechanismOptions, name: MechanismName, candidate: Candidate): Candidate {
  const { config, graph } = options;
  if (config.type !== 'managed' || graph === undefined || graph === name) return candidate;
  return impossible(`the bricks were made for quota ${graph}`);
}

async function projectOf({ config, tree, io }: MechanismOptions): Promise<Candidate> {
  if (config.type === 'gluster') return impossible('its bricks are on other machines');
  if (config.type === 'directory') return new ProjectMechanism({ trees: [tree], seed: config.name });
  const [first, ...others] = await Promise.all(
    config.bricks.map((brick) => Tree.open(io, `${config.name}#bricks`, brick)),
  );
  if (first === undefined) return impossible('it has no bricks');
  return new ProjectMechanism({ trees: [first, ...others], seed: config.name, writtenByRoot: true });
}

async function candidatesFor(options: MechanismOptions): Promise<Candidates> {
  const { config, tree } = options;
  if (config.type === 'directory') {
    const reason = 'the pool is a plain directory, not GlusterFS';
    return { project: await projectOf(options), gluster: impossible(reason), simple: impossible(reason) };
  }
  const gluster = new GlusterMechanism({
    tree,
    volume: config.type === 'gluster' ? config.volume : undefined,
    profile: config.type === 'managed' ? config.quotaProfile : 'exact',
  });
  const wantsProject = config.type === 'gluster' || options.graph === undefined || options.graph === 'project';
  return {
    project: wantsProject ? await projectOf(options) : inGraph(options, 'project', impossible('')),
    gluster: inGraph(options, 'gluster', gluster),
    simple: inGraph(options, 'simple', new SimpleMechanism({ tree })),
  };
}

/** The mechanism of a pool, probed: the one on record, the one that the config names, or the first that works. */
export async function createMechanism(options: MechanismOptions): Promise<QuotaMechanism> {
  const { config, recorded } = options;
  // `none` has to work where nothing else is even there to be looked at.
  if ((recorded ?? config.quota) === 'none' && config.quota !== 'auto') {
    return chooseMechanism({ ...choice(options), candidates: NOTHING });
  }
  return chooseMechanism({ ...choice(options), candidates: await candidatesFor(options) });
}

const NOTHING: Candidates = { project: impossible(''), gluster: impossible(''), simple: impossible('') };

function choice({ config, recorded }: MechanismOptions): Omit<Parameters<typeof chooseMechanism>[0], 'candidates'> {
  return { pool: config.name, wanted: config.quota, recorded, groups: 1, none: noLimits };
}
