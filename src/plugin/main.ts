import { KayalError, messageOf } from '../base/errors.js';
import { UsageError } from '../cli/usage-error.js';
import { ConfigError } from '../pools/config.js';
import { readArguments } from './arguments.js';
import { COMMANDS, overview, usageOf, type CommandName, type CommandSpec } from './commands.js';
import { runCommand } from './run.js';

function findCommand(args: readonly string[]): CommandName {
  const names = Object.keys(COMMANDS) as CommandName[];
  const found = names.find((name) => COMMANDS[name].words.every((word, index) => args[index] === word));
  if (found !== undefined) return found;
  const all = Object.values(COMMANDS).map((spec: CommandSpec) => spec.words.join(' '));
  const asked = args.slice(0, args[0] === 'pool' ? 2 : 1).join(' ');
  throw new UsageError([`${asked}: is not a command; there is ${all.join(', ')}`], 'kubectl kayal --help');
}

async function main(args: readonly string[]): Promise<number> {
  const out = (text: string): void => void process.stdout.write(text);
  const err = (text: string): void => void process.stderr.write(text);
  try {
    const [first] = args;
    if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
      out(overview());
      return first === undefined ? 2 : 0;
    }
    const command = findCommand(args);
    const spec: CommandSpec = COMMANDS[command];
    if (args.includes('--help') || args.includes('-h')) {
      out(usageOf(spec));
      return 0;
    }
    const words = `kubectl kayal ${spec.words.join(' ')}`;
    await runCommand(command, readArguments(words, args.slice(spec.words.length), spec.flags), { out, err });
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      err(`${error.message}\n`);
      return error.exitCode;
    }
    const isTold = error instanceof KayalError || error instanceof ConfigError;
    err(`kayal: ${isTold || !(error instanceof Error) ? messageOf(error) : (error.stack ?? error.message)}\n`);
    return 1;
  }
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
