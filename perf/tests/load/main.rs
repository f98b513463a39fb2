//! The generator, its servers and the yardsticks, as processes: every work brings what it is asked
//! for, straight and through a relay, and what goes wrong is counted or said, and never hangs.

mod failures;
mod processes;
#[path = "../skip/mod.rs"]
mod skip;
mod works;
