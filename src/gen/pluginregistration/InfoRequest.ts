// Original file: proto/pluginregistration.proto


/**
 * InfoRequest is the empty request message from Kubelet
 */
export interface InfoRequest {
}

/**
 * InfoRequest is the empty request message from Kubelet
 */
export interface InfoRequest__Output {
}
