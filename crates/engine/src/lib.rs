//! What Ringbolt does: the supervisor and the engine it clones, the session region in shared
//! memory, the rings, the sockets.
//!
//! All the unsafe code of the product is here, in `ring`, `socket`, `region` and `process`; each
//! block says which invariant it relies on, who keeps it, and until when. Decisions are
//! `ringbolt-core`'s: a worker is its shard with a ring as the kernel.

mod accepted;
mod clock;
mod counts;
mod durations;
mod engine;
mod force;
mod holder;
mod inherited;
mod kernel;
mod listen;
mod machine;
mod mailbox;
mod names;
mod operator;
mod orphans;
mod pipe;
mod probe;
mod process;
pub mod proxy;
mod region;
mod ring;
mod socket;
mod start;
mod store;
mod supervisor;
mod worker;

pub use clock::now;
pub use durations::Durations;
pub use engine::{Control, Started};
pub use force::{Changed, Force, Renamed};
pub use holder::Holder;
pub use machine::{cores, descriptor_limit, end_with_parent};
pub use probe::begin_connect;
pub use start::{StartError, Uninheritable};
pub use supervisor::{Launch, Notice, Outcome, supervise};
