//! Resolves host names and checks every address.
//!
//! The check is part of the HTTP client's resolver, so the client connects to exactly the addresses that were checked.
//! A name that resolves differently at the next lookup is checked again (protection against DNS rebinding).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use platform::config::Mode;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

use crate::address::is_allowed;

/// The future of a lookup.
pub type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Resolves host names. Tests replace the system's resolver.
pub trait Lookup: Send + Sync + 'static {
    /// The current addresses of a name.
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

/// Cause for which a name has no usable address. Contains neither the name nor an address, because both are the
/// tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoAddress {
    /// The name has no address.
    #[error("the name has no address")]
    Unknown,
    /// At least one address may not be called. A name with public and internal addresses is rejected, too.
    #[error("the name has an address that may not be called")]
    Refused,
}

/// A resolver that only returns allowed addresses.
#[derive(Clone)]
pub(crate) struct GuardedResolver {
    lookup: Arc<dyn Lookup>,
    mode: Mode,
}

impl GuardedResolver {
    pub(crate) fn new(lookup: Arc<dyn Lookup>, mode: Mode) -> Self {
        GuardedResolver { lookup, mode }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, mode) = (self.lookup.lookup(name.as_str().to_owned()), self.mode);
        Box::pin(async move {
            let found = found.await.map_err(|_| NoAddress::Unknown)?;
            if found.is_empty() {
                return Err(NoAddress::Unknown.into());
            }
            if !found.iter().all(|address| is_allowed(*address, mode)) {
                return Err(NoAddress::Refused.into());
            }
            // Port 0 makes the client use the URL's port.
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
