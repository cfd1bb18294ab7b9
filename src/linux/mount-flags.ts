/** The mount options that a bind may carry, besides `ro`, which is a property of the publish. */
export type MountFlag = 'ro' | 'nosuid' | 'nodev' | 'noexec' | 'noatime' | 'nodiratime' | 'relatime';
