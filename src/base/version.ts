import packageJson from '../../package.json' with { type: 'json' };

/** The version of this Kayal, from package.json. */
export const VERSION: string = packageJson.version;

/** The name under which Kubernetes knows the driver (CSI GetPluginInfo). */
export const DRIVER_NAME = 'csi.kayal.storage';
