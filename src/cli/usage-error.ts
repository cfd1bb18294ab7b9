/** The exit code of a program that was called in a way it does not understand. */
export const USAGE_EXIT_CODE = 2;

/** A command line (or environment) that Kayal does not understand; one line per problem, then where to read on. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly exitCode = USAGE_EXIT_CODE;

  constructor(problems: readonly string[], seeAlso: string) {
    super([...problems.map((problem) => `kayal: ${problem}`), `See "${seeAlso}".`].join('\n'));
  }
}
