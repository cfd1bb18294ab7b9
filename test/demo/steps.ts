import { messageOf } from '../../src/base/errors.js';

/** What a step saw that is not as it should be. */
export class Unexpected extends Error {
  override readonly name = 'Unexpected';
}

/** @throws Unexpected when `condition` does not hold */
export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Unexpected(message);
}

/** The steps of the demo: a line for each, with what was seen and the time it took. */
export class Steps {
  #number = 0;
  #failed = 0;

  get failed(): number {
    return this.#failed;
  }

  /**
   * Runs one step and prints its line.
   * @param work returns what was seen
   * @throws what `work` threw, after printing it
   */
  async step(title: string, work: () => Promise<string>): Promise<void> {
    const number = String(++this.#number).padStart(2);
    const started = performance.now();
    const time = (): string => `${((performance.now() - started) / 1000).toFixed(2)} s`.padStart(8);
    try {
      const seen = await work();
      process.stdout.write(`${number}  ok    ${time()}  ${title}: ${seen}\n`);
    } catch (error) {
      this.#failed++;
      process.stdout.write(`${number}  FAIL  ${time()}  ${title}: ${messageOf(error)}\n`);
      throw error;
    }
  }
}
