import { expect, it } from 'vitest';
import { hasMoveBeneath } from './healer.js';

it.each([
  ['6.18.44-fc', true],
  ['6.5.0-1-amd64', true],
  ['6.4.16', false],
  ['6.1.0-27-cloud-amd64', false],
  ['5.14.0-503.el9.x86_64', false],
  ['7.0.0', true],
])('a kernel %s can mount beneath: %s', (release, expected) => {
  expect(hasMoveBeneath(release)).toBe(expected);
});
