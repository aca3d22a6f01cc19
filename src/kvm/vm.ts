// Making and unmaking a VM (kvm_create_vm, kvm_destroy_vm).
//
// The VM subscribes to the mm's notifiers before any guest memory can be mapped, and unsubscribes before its shadow state
// goes. Locks: as in notifier/register.ts; may sleep.

import { mmuNotifierRegister, mmuNotifierUnregister } from '../notifier/index.ts';
import type { Steps } from '../sched/index.ts';
import { bug, Errno } from '../units.ts';
import { Kvm, type KvmOptions } from './kvm.ts';
import { newKvmNotifier } from './notifierClient.ts';
import { kvmMmuUnload } from './roots.ts';
import { kvmMmuZapAll } from './zap.ts';

/** KVM_CREATE_VM and KVM_CREATE_VCPU. The VM, or -errno of registering with the mm. */
export function* createVm(options: KvmOptions): Steps<Kvm | number> {
  if (options.maxMmuPages < 8 + 4 * options.harts.length) return -Errno.EINVAL;
  const kvm = new Kvm(options);
  const notifier = newKvmNotifier(kvm);
  const error = yield* mmuNotifierRegister(notifier, options.mm);
  if (error !== 0) return error;
  kvm.notifier = notifier;
  yield* options.host.shrinkers.register(kvm.shrinker);
  return kvm;
}

/** kvm_destroy_vm(): the vCPUs have stopped. The mm may have been torn down before (release ran then). */
export function* destroyVm(kvm: Kvm): Steps {
  if (kvm.notifier === null) bug('destroyVm: destroyed twice', { kvm: kvm.id });
  else yield* mmuNotifierUnregister(kvm.notifier, kvm.mm);
  kvm.notifier = null;
  yield* kvm.host.shrinkers.unregister(kvm.shrinker);
  for (const vcpu of kvm.vcpus) yield* kvmMmuUnload(vcpu);
  yield* kvmMmuZapAll(kvm);
  if (kvm.usedMmuPages !== 0) bug('shadow pages are left behind', { frames: kvm.usedMmuPages });
}
