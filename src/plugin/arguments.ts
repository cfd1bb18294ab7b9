import { parseArgs } from 'node:util';
import { UsageError } from '../cli/usage-error.js';

/** What follows `kubectl kayal` and the words of a command. */
export interface Arguments {
  readonly operands: readonly string[];
  /** Of a flag that was given several times, all of it. */
  readonly values: Readonly<Record<string, readonly string[]>>;
  readonly switches: ReadonlySet<string>;
  /** Flags with values, in the order of the command line. */
  readonly inOrder: readonly (readonly [flag: string, value: string])[];
}

export interface FlagSpec {
  readonly help: string;
  /** Of its value; absent: it is there or not. */
  readonly placeholder?: string;
  readonly short?: string;
  readonly isRepeated?: boolean;
}

export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

/** @throws UsageError that names what is not understood */
export function readArguments(command: string, args: readonly string[], flags: FlagSpecs): Arguments {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, { placeholder, short }]) => {
      const type: 'boolean' | 'string' = placeholder === undefined ? 'boolean' : 'string';
      return [name, { type, multiple: true, ...(short === undefined ? {} : { short }) } as const];
    }),
  );
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const problems: string[] = [];
  const operands: string[] = [];
  const values: Record<string, string[]> = {};
  const switches = new Set<string>();
  const inOrder: [string, string][] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    const spec = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (spec === undefined) {
      problems.push(
        `${rawName}: is not a flag of ${command}; there is ${Object.keys(flags)
          .map((one) => `--${one}`)
          .join(', ')}`,
      );
    } else if (spec.placeholder === undefined) {
      if (value === undefined) switches.add(name);
      else problems.push(`${rawName}: takes no value`);
    } else if (value === undefined || value === '' || value.startsWith('--')) {
      problems.push(`${rawName}: needs a value (${spec.placeholder})`);
    } else if (values[name] !== undefined && spec.isRepeated !== true) {
      problems.push(`${rawName}: is given twice`);
    } else {
      values[name] = [...(values[name] ?? []), value];
      inOrder.push([name, value]);
    }
  }
  if (problems.length > 0) throw new UsageError(problems, `${command} --help`);
  return { operands, values, switches, inOrder };
}
