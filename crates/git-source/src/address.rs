use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Which addresses repositories may be at: what an Application names must not reach what only this machine can, such as the metadata
/// service of a cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPolicy {
    local: LocalAddresses,
    /// Names and addresses that are reached wherever they are, in lower case.
    allowed_hosts: Arc<[String]>,
}

/// Whether repositories may be on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalAddresses {
    /// They may be at loopback addresses; link-local ones stay refused.
    Allowed,
    /// They may not.
    Refused,
}

/// An address that repositories may not be at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} is at a {kind} address ({address}), where repositories may not be; use another URL, or permit it ({remedy})"
)]
pub struct AddressRefused {
    host: String,
    address: IpAddr,
    kind: &'static str,
    remedy: &'static str,
}

impl AddressPolicy {
    /// Makes a policy with hosts that are reached wherever they are.
    pub fn new(local: LocalAddresses, allowed_hosts: &[String]) -> Self {
        Self { local, allowed_hosts: allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect() }
    }

    /// Permits loopback addresses: what a person asks for on their own machine.
    pub fn local_allowed() -> Self {
        Self::new(LocalAddresses::Allowed, &[])
    }

    /// Checks an address that a host has.
    pub fn check(&self, host: &str, address: IpAddr) -> Result<(), AddressRefused> {
        let Some(kind) = kind_of(address) else { return Ok(()) };
        let (kind, remedy) = match kind {
            Kind::Loopback if self.local == LocalAddresses::Allowed => return Ok(()),
            Kind::Loopback => ("loopback", "--repository-local-addresses allow"),
            Kind::LinkLocal => ("link-local", "--repository-allowed-hosts"),
        };
        if self.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
            return Ok(());
        }
        Err(AddressRefused { host: host.to_owned(), address, kind, remedy })
    }

    /// Checks the host of a URL where it is an address; names are checked when they are resolved.
    pub fn check_url(&self, url: &Url) -> Result<(), AddressRefused> {
        let Some(host) = url.host_str() else { return Ok(()) };
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        literal.map_or(Ok(()), |address| self.check(host, address))
    }

    /// Makes what resolves names for an HTTP client: names that lead to a refused address fail.
    pub fn resolver(&self) -> Arc<impl Resolve + use<>> {
        Arc::new(Resolver(self.clone()))
    }
}

impl Default for AddressPolicy {
    fn default() -> Self {
        Self::local_allowed()
    }
}

/// Resolves names as the system does.
struct Resolver(AddressPolicy);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            for address in &found {
                // One refused address among others is enough: which of them is used cannot be told.
                policy.check(&host, address.ip())?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Loopback,
    LinkLocal,
}

fn kind_of(address: IpAddr) -> Option<Kind> {
    match address {
        IpAddr::V4(address) => kind_of_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(address) => kind_of_v4(address),
            None if address.is_loopback() || address.is_unspecified() => Some(Kind::Loopback),
            None if address.is_unicast_link_local() => Some(Kind::LinkLocal),
            None => None,
        },
    }
}

fn kind_of_v4(address: Ipv4Addr) -> Option<Kind> {
    if address.is_loopback() || address.octets()[0] == 0 {
        // `0.0.0.0` reaches this machine as well.
        return Some(Kind::Loopback);
    }
    address.is_link_local().then_some(Kind::LinkLocal)
}

/// Returns the IPv4 address that an IPv6 address stands for: mapped, or by way of NAT64.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b, c, d] = address.octets();
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    address.to_ipv4_mapped()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_are_refused() {
        let refused = AddressPolicy::new(LocalAddresses::Refused, &["Meta.example".to_owned()]);
        for (address, kind) in [
            ("127.0.0.1", "loopback"),
            ("127.9.9.9", "loopback"),
            ("0.0.0.0", "loopback"),
            ("::1", "loopback"),
            ("::", "loopback"),
            ("::ffff:127.0.0.1", "loopback"),
            ("64:ff9b::7f00:1", "loopback"),
            ("169.254.169.254", "link-local"),
            ("fe80::1", "link-local"),
            ("::ffff:169.254.169.254", "link-local"),
            ("10.0.0.1", ""),
            ("192.168.1.1", ""),
            ("fd00::1", ""),
            ("140.82.121.3", ""),
        ] {
            let ip: IpAddr = address.parse().unwrap();
            let found = refused.check("git.example", ip).err().map_or("", |error| error.kind);
            assert_eq!(found, kind, "{address}");
            let allowed = AddressPolicy::local_allowed().check("git.example", ip).is_ok();
            assert_eq!(allowed, kind != "link-local", "{address}");
            assert!(refused.check("meta.example", ip).is_ok(), "{address}");
        }
    }

    #[test]
    fn addresses_in_urls_are_checked_before_anything_is_sent() {
        let refused = AddressPolicy::new(LocalAddresses::Refused, &[]);
        for (url, is_refused) in [
            ("http://127.0.0.1:80/r", true),
            ("http://[::1]/r", true),
            // The URL parser knows the other ways to write an address.
            ("http://2130706433/r", true),
            ("http://0x7f.1/r", true),
            ("http://localhost/r", false),
            ("http://git.example/r", false),
        ] {
            assert_eq!(refused.check_url(&Url::parse(url).unwrap()).is_err(), is_refused, "{url}");
        }
        let error = refused.check_url(&Url::parse("http://127.0.0.1/r").unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "127.0.0.1 is at a loopback address (127.0.0.1), where repositories may not be; use another URL, or permit it \
             (--repository-local-addresses allow)"
        );
    }

    #[tokio::test]
    async fn names_that_lead_to_this_machine_do_not_resolve() {
        let name = || "localhost".parse::<Name>().unwrap();
        let refused = AddressPolicy::new(LocalAddresses::Refused, &[]);
        let error = refused.resolver().resolve(name()).await.err().unwrap();
        assert!(error.to_string().starts_with("localhost is at a loopback address"), "{error}");
        assert!(AddressPolicy::local_allowed().resolver().resolve(name()).await.is_ok());
    }
}
