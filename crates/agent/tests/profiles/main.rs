//! Profiles on trees that reproduce what each distribution leaves on a node, file for file; the bytes and keys are our own.
//! `tree` builds them and shows what becomes of one, `odd` has the layouts that nobody writes down.

mod hand_over;
mod k0s;
mod k3s;
mod kubeadm;
mod microk8s;
mod odd;
mod rke2;
mod tree;
