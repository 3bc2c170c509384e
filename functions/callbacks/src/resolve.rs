//! From a host's name to the addresses that are connected to, and to no other.
//!
//! The check lies inside the connector's own resolver, so the address that was checked is the one that is
//! connected to: a name that leads elsewhere at the next lookup is checked again at the next lookup.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use platform::config::Mode;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

use crate::address::may_be_called;

/// The future of a lookup.
pub type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// What knows the addresses of a name.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of a name, as they are now.
    fn lookup(&self, name: String) -> Found;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> Found {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Why a name leads nowhere. Neither the name nor an address is told: both are the tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoAddress {
    /// The name has no address.
    #[error("the name has no address")]
    Unknown,
    /// One of its addresses may not be called. All must be: a mixed answer is an attempt.
    #[error("an address may not be called")]
    Refused,
}

/// A resolver that hands out addresses that may be called.
#[derive(Clone)]
pub(crate) struct Guard {
    lookup: Arc<dyn Lookup>,
    mode: Mode,
}

impl Guard {
    pub(crate) fn new(lookup: Arc<dyn Lookup>, mode: Mode) -> Self {
        Guard { lookup, mode }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, mode) = (self.lookup.lookup(name.as_str().to_owned()), self.mode);
        Box::pin(async move {
            let found = found.await.map_err(|_| NoAddress::Unknown)?;
            if found.is_empty() {
                return Err(NoAddress::Unknown.into());
            }
            if !found.iter().all(|address| may_be_called(*address, mode)) {
                return Err(NoAddress::Refused.into());
            }
            // The port is the URL's: the connector sets it where there is none.
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
