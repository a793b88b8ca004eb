//! A real mesh on one machine: Kubernetes' API server, istiod, pilot-agent with its capture rules, and Envoy. No Docker,
//! no cluster, no kubelet; each pod is a network namespace.
//!
//! Read in this order:
//!
//! - [`requirements`] says what the machine lacks, and the remedy; [`tools`] finds what `build.sh` built.
//! - [`isolation`] puts the program into namespaces of its own: what runs in them ends with it, however it ends.
//! - [`network`] joins pods and Services, [`dns`] knows their names; [`trust`] makes the provider's certificates.
//! - [`kube`] is the API server, [`istiod`] the control plane, [`provider`] the outside world.
//! - [`pod`] does a kubelet's work: it runs what the injected pod says. [`app`] makes calls from inside a pod.
//! - [`collector`] is the collector as `istio/collector` describes it, [`modules`] a server of modules that misbehaves,
//!   [`registry`] one of images.
//! - [`mesh`] puts them together; [`results`] holds what scenarios saw against `docs/istio.md`;
//!   [`relay`] lets who sits at the machine in.
//!
//! Everything is blocking, and a part that cannot start panics with its log.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a part that fails to start ends the test, with its log"
)]

pub mod app;
pub mod collector;
pub mod dns;
mod https;
pub mod isolation;
pub mod istiod;
pub mod kube;
pub mod mesh;
pub mod modules;
pub mod network;
pub mod pod;
pub mod provider;
pub mod registry;
pub mod relay;
pub mod requirements;
pub mod results;
pub mod tools;
pub mod trust;
