//! PURE: what should run. Values in, values out; no clock, no I/O.

mod snapshot;
mod spec;

pub use snapshot::{Certificate, HostFacts, RoomRoute, Secrets, Snapshot};
pub use spec::{
    ContainerSpec, FileKind, FileSpec, ImagePin, ImageWant, Mount, MountSource, NetworkSpec,
    PortBinding, Protocol, RestartPolicy, Target, Tmpfs, VolumeSpec, labels,
};
