import { loadConfig } from '../pools/config-file.js';
import { ConfigError } from '../pools/config.js';

/** What a command prints and how it ends. */
export interface Outcome {
  readonly exitCode: 0 | 1;
  /** For standard output when the exit code is 0, else for standard error. */
  readonly text: string;
}

/** `kayal config check FILE`. */
export async function checkConfigFile(file: string): Promise<Outcome> {
  try {
    const { installation, pools } = await loadConfig(file);
    const list = pools.map(({ name, type, quota }) => `  ${name}: ${type}, quota ${quota}\n`).join('');
    return { exitCode: 0, text: `${file}: valid; installation ${installation}, pools: ${pools.length}\n${list}` };
  } catch (error) {
    if (error instanceof ConfigError) return { exitCode: 1, text: `${error.message}\n` };
    throw error;
  }
}
