/** `npm run test:faults -- --long` */
export const IS_LONG: boolean = process.env['KAYAL_TEST_LONG'] === '1';

/** How long the tests of one file may take. */
export const FILE_TIMEOUT_MS: number = (IS_LONG ? 120 : 19) * 60_000;
