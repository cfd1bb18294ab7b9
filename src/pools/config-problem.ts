/** One thing that is wrong: where (a key path such as `pools[1].bricks`) and what is allowed. */
export interface Problem {
  readonly key: string;
  readonly message: string;
}

/** A pool as it stands in the file, of any shape: rules look at what is there, so that one wrong key hides no other. */
export type RawPool = Readonly<Record<string, unknown>>;
