/**
 * Per-key exclusion that never waits. A CSI driver answers ABORTED when an operation on the same volume is pending
 * (CSI spec, "Error Scheme": "Operation pending for volume"), because the CO retries anyway.
 */
export class KeyLock {
  readonly #held = new Set<string>();

  /** Takes all of `keys` at once, or none. The result releases them; undefined when one of them is held. */
  tryAcquire(...keys: readonly string[]): (() => void) | undefined {
    if (keys.some((key) => this.#held.has(key))) return undefined;
    for (const key of keys) this.#held.add(key);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      for (const key of keys) this.#held.delete(key);
    };
  }
}
