//! Where a run takes place.

use crate::folder::Folder;
use crate::network::Network;

/// What all parts of a run share.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) network: Network,
    pub(crate) folder: Folder,
    /// The port that balancers listen on; `None`: whichever is free.
    pub(crate) port: Option<u16>,
}
