import { KayalError, messageOf } from './base/errors.js';
import { checkConfigFile, type Outcome } from './cli/config-check.js';
import { doctor } from './cli/doctor.js';
import { parseCommandLine, type Command } from './cli/flags.js';
import { forgetPool, takeOverPool } from './cli/pool-commands.js';
import { runBrick } from './cli/run-brick.js';
import { runOperator } from './cli/run-operator.js';
import { runRole } from './cli/run-role.js';
import { UsageError } from './cli/usage-error.js';
import { abandonVolume } from './cli/volume-abandon.js';
import { purgeVolume } from './cli/volume-purge.js';
import { releaseVolume } from './cli/volume-release.js';
import { showVolumes } from './cli/volumes.js';
import { exitNow } from './linux/exit.js';
import { addFaultPointsIfAsked } from './linux/fault-points.js';
import { machine } from './linux/machine.js';
import { ConfigError } from './pools/config.js';

function tell({ exitCode, text }: Outcome, stream = exitCode === 0 ? process.stdout : process.stderr): number {
  stream.write(text);
  return exitCode;
}

async function run(command: Command): Promise<number> {
  switch (command.kind) {
    case 'print':
      process.stdout.write(command.text);
      return 0;
    case 'configCheck':
      return tell(await checkConfigFile(command.file));
    case 'doctor':
      return tell(await doctor(command.settings, command), process.stdout);
    case 'volumes':
      return tell(await showVolumes(command.settings, command), process.stdout);
    case 'volumePurge':
      return tell(await purgeVolume(command.settings, command));
    case 'volumeAbandon':
      return tell(await abandonVolume(command.settings, command));
    case 'volumeRelease':
      return tell(await releaseVolume(command.settings, command));
    case 'poolTakeover':
      return tell(await takeOverPool(command.settings, command.pool));
    case 'poolForget':
      return tell(await forgetPool(command.settings, command.pool));
    case 'brick':
      await runBrick(command.settings);
      return exitNow(0);
    case 'operator':
      await runOperator(command.settings);
      return exitNow(0);
    case 'all':
    case 'controller':
    case 'node':
      await runRole(command.kind, command.settings);
      // A thread that hangs on a dead mount would keep the process from ending.
      return exitNow(0);
  }
}

/** Problems that the user can mend are told in a sentence; anything else is a fault of Kayal and shows its stack. */
function report(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof ConfigError || error instanceof KayalError) {
    process.stderr.write(`kayal: ${error.message}\n`);
    return 1;
  }
  process.stderr.write(`kayal: ${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}\n`);
  return 1;
}

addFaultPointsIfAsked(machine);
try {
  process.exitCode = await run(parseCommandLine(process.argv.slice(2), process.env));
} catch (error) {
  process.exitCode = report(error);
}
