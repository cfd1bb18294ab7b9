import { describe, expect, it } from 'vitest';
import { parseJunit } from './junit.js';

/** Shortened from a report of csi-sanity 5.5.0. */
const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
  <testsuites tests="96" disabled="66" errors="0" failures="24" time="0.27">
      <testsuite name="CSI Driver Test Suite" tests="96" disabled="1" skipped="65">
          <properties>
              <property name="SuiteSucceeded" value="false"></property>
          </properties>
          <testcase name="[It] ModifyVolume [Controller Server] should fail if no volume id is given" classname="CSI Driver Test Suite" status="skipped" time="0.02">
              <skipped message="skipped - ControllerModifyVolume not supported"></skipped>
              <system-err>&gt; Enter [BeforeEach] &#xA;STEP: connecting</system-err>
          </testcase>
          <testcase name="[It] Identity Service Probe should return appropriate information" classname="CSI Driver Test Suite" status="passed" time="0.004">
              <system-err>status="failed"</system-err>
          </testcase>
          <testcase name="[It] ListVolumes pagination" classname="CSI Driver Test Suite" status="pending" time="0">
              <skipped message="pending"></skipped>
          </testcase>
          <testcase name="[It] CreateVolume should fail &amp; &lt;more&gt;" classname="CSI Driver Test Suite" status="failed" time="0.004">
              <failure message="Expected&#xA;    &lt;codes.Code&gt;: 12" type="failed">text</failure>
          </testcase>
          <testcase name="[AfterSuite] " classname="CSI Driver Test Suite" status="panicked" time="0"/>
      </testsuite>
  </testsuites>`;

describe('parseJunit', () => {
  it('reads name, status and reason of each spec', () => {
    expect(parseJunit(REPORT)).toEqual([
      {
        name: 'ModifyVolume [Controller Server] should fail if no volume id is given',
        status: 'skipped',
        message: 'ControllerModifyVolume not supported',
      },
      { name: 'Identity Service Probe should return appropriate information', status: 'passed', message: '' },
      { name: 'ListVolumes pagination', status: 'pending', message: 'pending' },
      { name: 'CreateVolume should fail & <more>', status: 'failed', message: 'Expected\n    <codes.Code>: 12' },
      { name: '[AfterSuite] ', status: 'failed', message: '' },
    ]);
  });

  it('finds nothing in an empty report', () => {
    expect(parseJunit('<testsuites></testsuites>')).toEqual([]);
  });
});
