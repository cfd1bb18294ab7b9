/**
 * Where volumes were staged since this process started. Only NodeGetVolumeStats asks, and only about paths that have
 * no mount to tell by; kubelet asks about publish paths.
 */
export class StagedPaths {
  readonly #paths = new Map<string, Map<string, string>>();

  /** @param path the volume's data, relative to the root of its pool */
  add(handle: string, stagingPath: string, path: string): void {
    const paths = this.#paths.get(handle) ?? new Map<string, string>();
    paths.set(stagingPath, path);
    this.#paths.set(handle, paths);
  }

  remove(handle: string, stagingPath: string): void {
    const paths = this.#paths.get(handle);
    paths?.delete(stagingPath);
    if (paths?.size === 0) this.#paths.delete(handle);
  }

  /** The path of the volume that was staged there. */
  get(handle: string, stagingPath: string): string | undefined {
    return this.#paths.get(handle)?.get(stagingPath);
  }
}
