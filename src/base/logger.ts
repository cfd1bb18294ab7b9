/** What Kayal's code needs of a logger; pino's Logger fits, and so does an object literal in a unit test. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
  /** False when lines of that level go nowhere; absent: they may go somewhere. */
  isLevelEnabled?(level: 'debug'): boolean;
}
