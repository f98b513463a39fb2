//! The configuration files of the products: the same doors and servers, sticky by the client's
//! address, one core, and otherwise what is installed plus what the product's name says. Times are
//! so long that none passes. They are shown in the report.

mod haproxy;
mod nginx;
mod ringbolt;

use super::doors::Doors;
use crate::product::Product;

/// What configurations depend on beside the product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    /// Socket buffers for [`Product::HaproxyTuned`] in bytes; `None`: as the kernel does it.
    pub(crate) buffers: Option<u32>,
    /// Where nginx's stream module is, if it is a file of its own.
    pub(crate) stream_module: Option<&'a str>,
}

/// A product's configuration; `None` where it has none.
pub(crate) fn of(product: Product, doors: &Doors, setting: Setting<'_>) -> Option<String> {
    use haproxy::Splicing;
    let Setting { buffers, stream_module } = setting;
    Some(match product {
        Product::Ringbolt | Product::Base => ringbolt::config(doors, "auto"),
        Product::RingboltCopy => ringbolt::config(doors, "off"),
        Product::RingboltAlways => ringbolt::config(doors, "always"),
        Product::Haproxy => haproxy::config(doors, Splicing::Off, None),
        Product::HaproxyAuto => haproxy::config(doors, Splicing::Auto, None),
        Product::HaproxySplice => haproxy::config(doors, Splicing::BigPipes, None),
        Product::HaproxyTuned => haproxy::config(doors, Splicing::BigPipes, buffers),
        Product::Nginx => nginx::config(doors, stream_module, None),
        Product::Nginx64k => nginx::config(doors, stream_module, Some("64k")),
        Product::Direct | Product::RelayEpoll | Product::RelaySplice | Product::RelayUring => {
            return None;
        }
    })
}
