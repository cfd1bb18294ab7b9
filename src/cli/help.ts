import { COMMANDS, type CommandSpec } from './command-table.js';
import { environmentName, flagOf } from './flag-table.js';

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}

function synopsis({ words, operand }: CommandSpec): string {
  return [...words, ...(operand === undefined ? [] : [operand])].join(' ');
}

/** What `kayal --help` prints. */
export function overview(): string {
  const rows = Object.values(COMMANDS).map((spec: CommandSpec) => [synopsis(spec), spec.summary] as const);
  return `Usage: kayal COMMAND [FLAGS]

Kayal serves CSI volumes with a limit of their own out of GlusterFS pools.

Commands:
${columns(rows)}

kayal COMMAND --help shows the flags of a command, kayal --version the version.
`;
}

/** What `kayal COMMAND --help` prints. */
export function commandHelp(spec: CommandSpec): string {
  const usage = `Usage: kayal ${synopsis(spec)}${spec.flags.length > 0 ? ' [FLAGS]' : ''}`;
  const text = `${usage}\n\n${spec.summary[0]?.toUpperCase()}${spec.summary.slice(1)}.\n${spec.details}\n`;
  if (spec.flags.length === 0) return text;
  const rows = spec.flags.flatMap((name): (readonly [string, string])[] => {
    const { placeholder, help, defaultText, isSwitch, short } = flagOf(name);
    if (isSwitch === true) return [[`--${name}`, help]];
    const letter = short === undefined ? '' : `-${short}, `;
    return [
      [`${letter}--${name} ${placeholder}`, help],
      ['', `${environmentName(name)}; default: ${defaultText}`],
    ];
  });
  return `${text}\nFlags, those with a value also as an environment variable (the flag wins):\n${columns(rows)}\n`;
}
