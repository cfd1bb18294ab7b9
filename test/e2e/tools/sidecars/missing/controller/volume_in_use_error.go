package controller

// VolumeInUseError is what Delete of a provisioner answers for a volume that is still attached (since v13.1.0).
type VolumeInUseError struct {
	Reason string
}

func (e *VolumeInUseError) Error() string {
	return e.Reason
}
