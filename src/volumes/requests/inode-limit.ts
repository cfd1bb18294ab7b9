/** Fewer are of no use: the root of the volume is one. */
const LEAST = 10;
const MOST = 1_000_000_000_000;

/** How StorageClass and VolumeAttributesClass say how many files and directories a volume may have; 0: no limit. */
export const inodeLimit = {
  values: `a whole number from ${LEAST} to ${MOST}, or none`,
  parse: (value: string): number | undefined => {
    if (value === 'none') return 0;
    const limit = /^[1-9]\d{0,12}$/.test(value) ? Number(value) : 0;
    return limit >= LEAST && limit <= MOST ? limit : undefined;
  },
};
