/** What an image can be built for: Debian's name → Node.js' (process.arch). */
export const ARCHITECTURES = { amd64: 'x64', arm64: 'arm64' };

/** Debian's name of this machine's; undefined for any other. */
export const HOST = Object.keys(ARCHITECTURES).find((name) => ARCHITECTURES[name] === process.arch);
