// A tenant who attacks whatever walks through its volume: run with the volume as its cwd, and OUTSIDE in its environment.
// It swaps directories and files for links to OUTSIDE and moves them up and down the tree, as fast as it can, until it
// is killed. Paths are relative: it goes on after the volume was unpublished or moved, as a process in a pod may.
import { linkSync, mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';

const { OUTSIDE: outside } = process.env;

/** Most steps fail now and then: others are at work in the same tree. */
const attempt = (step) => {
  try {
    step();
  } catch {
    // The next one may succeed.
  }
};

const plant = () => {
  for (const path of ['a', 'a/b', 'a/b/sub', 'd1', 'd1/d2', 'd1/d2/d3']) attempt(() => mkdirSync(path));
  attempt(() => writeFileSync('a/b/sub/file', 'mine'));
  attempt(() => writeFileSync('d1/d2/d3/file', 'mine'));
  attempt(() => writeFileSync('plain', 'mine'));
  attempt(() => symlinkSync('../../../.kayal', 'kayal'));
  attempt(() => symlinkSync(`${outside}/sub`, 'absolute'));
  attempt(() => linkSync('plain', 'hard'));
};

const swapDirectory = () => {
  attempt(() => renameSync('a/b', 'a/kept'));
  attempt(() => symlinkSync(outside, 'a/b'));
  attempt(() => unlinkSync('a/b'));
  attempt(() => renameSync('a/kept', 'a/b'));
};

const swapFile = () => {
  attempt(() => renameSync('a/b/sub/file', 'a/b/sub/kept'));
  attempt(() => symlinkSync(`${outside}/sub/file`, 'a/b/sub/file'));
  attempt(() => unlinkSync('a/b/sub/file'));
  attempt(() => renameSync('a/b/sub/kept', 'a/b/sub/file'));
};

/** Who walks down d1/d2/d3 and comes back by ".." would come out elsewhere. */
const moveUp = () => {
  attempt(() => renameSync('d1/d2/d3', 'd3'));
  attempt(() => renameSync('d3', 'd1/d2/d3'));
};

for (;;) {
  plant();
  swapDirectory();
  swapFile();
  moveUp();
}
