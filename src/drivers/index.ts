// The face of drivers/: the secondary MMUs beside kvm's.

export { HmmMirror } from './hmm.ts';
export { SvaDevice, svaSynchronize } from './iommu.ts';
