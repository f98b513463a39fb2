//! Addresses as they are written, and what is meant instead by the forms that other programs take.
//!
//! Nothing is resolved here: a name stays a name.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use ringbolt_core::spec::{Bind, Network, Place, ServerAddr};
use toml::de::DeValue;

use crate::value::{self, Read, Wrong, quoted};

/// Longest path of a UNIX socket: `sun_path` less its NUL, unix(7).
const UNIX_PATH_BYTES_MAX: usize = 107;

/// Longest host name, RFC 1035.
const HOST_BYTES_MAX: usize = 253;

/// An address and a port of our own; port 0 lets the kernel choose.
pub(crate) fn local(value: &DeValue<'_>) -> Read<SocketAddr> {
    let text = value::text(value)?;
    let addr = parse_socket(text).ok_or_else(|| not_local(text))?;
    match addr.ip() {
        // An IPv6 socket of ours is IPv6 only, and the kernel binds no mapped address to that.
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => {
            let plain = SocketAddr::new(ip.to_canonical(), addr.port());
            Err(Wrong::new(
                format!("{} is an IPv4 address in IPv6 form", quoted(text)),
                format!("write \"{plain}\""),
            ))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => with_its_link(addr).map(|()| addr),
    }
}

/// An address of a link means nothing without the link: connect(2) and bind(2) refuse it.
fn with_its_link(addr: SocketAddr) -> Read<()> {
    match addr {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0 => {
            let reason = format!("{} is on every link", v6.ip());
            let mend = format!(
                "write \"[{}%2]:{}\" with the number of the interface you mean, as `ip link` shows it",
                v6.ip(),
                v6.port()
            );
            Err(Wrong::new(reason, mend))
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => Ok(()),
    }
}

/// An interface by its name in an address: names are not resolved here.
fn named_link(text: &str) -> Option<Wrong> {
    let (addr, rest) = text.strip_prefix('[')?.split_once('%')?;
    let (link, port) = rest.split_once("]:")?;
    addr.parse::<std::net::Ipv6Addr>().ok()?;
    let reason = format!("{} names the interface {}", quoted(text), quoted(link));
    let mend = format!("write its number, as `ip link` shows it, e.g. \"[{addr}%2]:{port}\"");
    Some(Wrong::new(reason, mend))
}

/// What a listener listens on.
pub(crate) fn bind(value: &DeValue<'_>) -> Read<Bind> {
    let text = value::text(value)?;
    let Some(name) = text.strip_prefix("fd@") else {
        return local(value).map(Bind::Address);
    };
    let number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let good = if number { name.parse::<i32>().is_ok() } else { is_variable(name) };
    if good {
        Ok(Bind::Inherited(name.to_owned()))
    } else {
        Err(Wrong::new(
            format!("{} names no inherited socket", quoted(text)),
            "write \"fd@3\" for descriptor 3, or \"fd@NAME\" for the environment variable NAME \
             that holds the number",
        ))
    }
}

/// Where a server is.
pub(crate) fn server(value: &DeValue<'_>) -> Read<ServerAddr> {
    let text = value::text(value)?;
    let place = if let Some(path) = text.strip_prefix("unix:") {
        if !path.starts_with('/') {
            let reason = format!("{} is not an absolute path", quoted(path));
            return Err(Wrong::new(reason, "write the path from the root, \"unix:/…\""));
        }
        Place::Unix(unix_path(path)?)
    } else if let Some(addr) = parse_socket(text) {
        with_its_link(addr)?;
        Place::Socket(addr)
    } else {
        let (host, port) = host_and_port(text)?;
        Place::Name { host: host.to_owned(), port }
    };
    let port = match &place {
        Place::Socket(addr) => Some(addr.port()),
        Place::Name { port, .. } => Some(*port),
        Place::Unix(_) => None,
    };
    if port == Some(0) {
        return Err(Wrong::new(
            format!("{} has port 0, which nobody listens on", quoted(text)),
            "write the port that the server listens on",
        ));
    }
    Ok(ServerAddr { text: text.to_owned(), place })
}

/// The path of a UNIX socket.
pub(crate) fn unix_path(path: &str) -> Read<String> {
    if path.contains('\0') {
        return Err(Wrong::new("the path has a NUL character", "take it out"));
    }
    if path.len() > UNIX_PATH_BYTES_MAX {
        return Err(Wrong::new(
            format!("the path has {} bytes", path.len()),
            format!("choose a shorter one: a UNIX socket has at most {UNIX_PATH_BYTES_MAX}"),
        ));
    }
    Ok(path.to_owned())
}

/// An address without a port.
pub(crate) fn ip(value: &DeValue<'_>) -> Read<IpAddr> {
    let text = value::text(value)?;
    let addr: IpAddr = text.parse().map_err(|_| {
        let mend = "write an address without a port, e.g. \"192.0.2.1\" or \"2001:db8::1\"";
        Wrong::new(format!("{} is not an address", quoted(text)), mend)
    })?;
    if addr == addr.to_canonical() {
        Ok(addr)
    } else {
        let reason = format!("{} is an IPv4 address in IPv6 form", quoted(text));
        Err(Wrong::new(reason, format!("write \"{}\"", addr.to_canonical())))
    }
}

/// An address prefix; without a length it is one address.
pub(crate) fn network(value: &DeValue<'_>) -> Read<Network> {
    let text = value::text(value)?;
    let wrong = || {
        let mend = "write an address and a length, e.g. \"10.0.0.0/8\" or \"2001:db8::/32\"";
        Wrong::new(format!("{} is not an address prefix", quoted(text)), mend)
    };
    let (addr, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let addr: IpAddr = addr.parse().map_err(|_| wrong())?;
    let bits = if addr.is_ipv4() { 32 } else { 128 };
    let prefix = match length {
        None => bits,
        Some(length) => {
            decimal(length).filter(|&prefix| prefix <= u16::from(bits)).ok_or_else(wrong)? as u8
        }
    };
    let network = Network { addr: masked(addr, prefix), prefix };
    let v4 = addr.to_canonical();
    if v4 != addr && prefix >= 96 {
        Err(Wrong::new(
            format!("{} is IPv4 in another form", quoted(text)),
            format!("write \"{}/{}\"", masked(v4, prefix - 96), prefix - 96),
        ))
    } else if network.addr == addr {
        Ok(network)
    } else {
        Err(Wrong::new(
            format!("{} has bits beyond its length", quoted(text)),
            format!("write \"{}/{prefix}\"", network.addr),
        ))
    }
}

/// The address without what lies beyond its prefix.
pub(crate) fn masked(addr: IpAddr, prefix: u8) -> IpAddr {
    match addr {
        IpAddr::V4(addr) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((addr.to_bits() & mask).into())
        }
        IpAddr::V6(addr) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((addr.to_bits() & mask).into())
        }
    }
}

/// The standard library's form. A flow label, which it accepts and nobody can bind, is not ours.
fn parse_socket(text: &str) -> Option<SocketAddr> {
    text.parse().ok().map(|addr| match addr {
        SocketAddr::V4(_) => addr,
        SocketAddr::V6(v6) => {
            SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()))
        }
    })
}

/// Why a text is no address and port of ours.
fn not_local(text: &str) -> Wrong {
    if let Some(wrong) = named_link(text) {
        return wrong;
    }
    let reason = format!("{} is not an address and a port", quoted(text));
    let example = "write e.g. \"0.0.0.0:8765\" or \"[::]:8765\"";
    if text.starts_with("unix:") || text.starts_with('/') {
        return Wrong::new(reason, format!("listeners are TCP only: {example}"));
    }
    if text.parse::<IpAddr>().is_ok() {
        return missing_port(text);
    }
    match text.rsplit_once(':') {
        Some(("" | "*", port)) if decimal(port).is_some() => Wrong::new(
            reason,
            format!("write \"0.0.0.0:{port}\" for IPv4, \"[::]:{port}\" for IPv6"),
        ),
        Some((addr, port)) if addr.contains(':') => unbracketed(text, addr, port),
        Some((host, port)) if decimal(port).is_some() && is_host(host) => Wrong::new(
            format!("{} is a name, and a listener has an address", quoted(text)),
            "write the address itself, because what a name means can change",
        ),
        Some(_) | None => Wrong::new(reason, example),
    }
}

/// A name and a port, or why a text is no server address.
fn host_and_port(text: &str) -> Read<(&str, u16)> {
    if let Some(wrong) = named_link(text) {
        return Err(wrong);
    }
    let reason = format!("{} is not an address and a port", quoted(text));
    let example = "write e.g. \"192.0.2.1:8765\", \"[2001:db8::1]:8765\" or \"name:8765\"";
    if text.parse::<IpAddr>().is_ok() {
        return Err(missing_port(text));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(if is_host(text) { missing_port(text) } else { Wrong::new(reason, example) });
    };
    if host.contains(':') && !host.starts_with('[') {
        return Err(unbracketed(text, host, port));
    }
    match decimal(port) {
        Some(port) if is_host(host) => Ok((host, port)),
        Some(_) | None => Err(Wrong::new(reason, example)),
    }
}

fn missing_port(text: &str) -> Wrong {
    let host = if text.contains(':') { format!("[{text}]") } else { text.to_owned() };
    let mend = format!("write \"{host}:8765\" with the port you mean");
    Wrong::new(format!("{} has no port", quoted(text)), mend)
}

/// "::1:80" reads as an address without a port or as one with: brackets tell.
fn unbracketed(text: &str, addr: &str, port: &str) -> Wrong {
    let reason = format!("{} is not an address and a port", quoted(text));
    match (addr.parse::<IpAddr>(), decimal(port)) {
        (Ok(addr), Some(port)) => Wrong::new(reason, format!("write \"[{addr}]:{port}\"")),
        (Ok(_) | Err(_), Some(_) | None) => {
            Wrong::new(reason, "an IPv6 address stands in brackets, e.g. \"[2001:db8::1]:8765\"")
        }
    }
}

/// Digits only: the standard library would take a plus sign.
fn decimal(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Whether a text can be a host name. One of digits and dots only is a mistyped address.
fn is_host(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let labels = text.strip_suffix('.').unwrap_or(text).split('.');
    text.len() <= HOST_BYTES_MAX
        && text.bytes().all(known)
        && !numeric
        && labels.into_iter().all(|label| !label.is_empty() && !label.starts_with('-'))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(text: &str, read: impl Fn(&DeValue<'_>) -> Read<T>) -> Result<T, String> {
        let value = DeValue::String(text.into());
        read(&value).map_err(|wrong| format!("{}; {}", wrong.reason, wrong.mend))
    }

    fn refused<T: std::fmt::Debug>(result: Result<T, String>, part: &str) {
        let message = result.expect_err(part);
        assert!(message.contains(part), "{message:?} should have {part:?}");
    }

    /// Goal: every form of CONTRACT is taken. Method: one of each.
    #[test]
    fn listeners_take_addresses_and_inherited_sockets() {
        let addr = |text: &str| Ok(Bind::Address(text.parse().expect("an address")));
        assert_eq!(read("0.0.0.0:8765", bind), addr("0.0.0.0:8765"));
        assert_eq!(read("[::]:8765", bind), addr("[::]:8765"));
        assert_eq!(read("127.0.0.1:0", bind), addr("127.0.0.1:0"));
        assert_eq!(read("[fe80::1%2]:80", bind), addr("[fe80::1%2]:80"));
        assert_eq!(read("fd@3", bind), Ok(Bind::Inherited("3".into())));
        assert_eq!(read("fd@WEB_1", bind), Ok(Bind::Inherited("WEB_1".into())));
    }

    /// Goal: forms of other programs are answered with ours. Method: one of each.
    #[test]
    fn other_forms_of_a_listener_get_the_mend() {
        refused(read("localhost:80", bind), "is a name");
        refused(read("*:80", bind), "write \"0.0.0.0:80\" for IPv4, \"[::]:80\" for IPv6");
        refused(read(":80", bind), "\"0.0.0.0:80\"");
        refused(read("80", bind), "is not an address and a port");
        refused(read("10.0.0.1", bind), "write \"10.0.0.1:8765\" with the port you mean");
        refused(read("::1", bind), "write \"[::1]:8765\" with the port you mean");
        refused(read("2001:db8:0:0:0:0:0:1:80", bind), "write \"[2001:db8::1]:80\"");
        refused(read("[::ffff:1.2.3.4]:80", bind), "write \"1.2.3.4:80\"");
        refused(read("0.0.0.0:65536", bind), "is not an address and a port");
        refused(read("0.0.0.0:+80", bind), "is not an address and a port");
        refused(read("unix:/run/x", bind), "TCP only");
        refused(read("[fe80::1]:80", bind), "write \"[fe80::1%2]:80\"");
        refused(read("[fe80::1%eth0]:80", bind), "write its number");
        for bad in ["fd@", "fd@-1", "fd@3x", "fd@99999999999", "fd@A B"] {
            refused(read(bad, bind), "names no inherited socket");
        }
    }

    /// Goal: a server's address keeps its text and is understood. Method: one of each form.
    #[test]
    fn servers_take_addresses_names_and_paths() {
        let place = |text| read(text, server).map(|addr| (addr.text == text, addr.place));
        let socket = Place::Socket("192.168.1.100:8765".parse().expect("an address"));
        assert_eq!(place("192.168.1.100:8765"), Ok((true, socket)));
        let name = Place::Name { host: "ws-1.example".into(), port: 8765 };
        assert_eq!(place("ws-1.example:8765"), Ok((true, name)));
        assert_eq!(place("unix:/run/a"), Ok((true, Place::Unix("/run/a".into()))));
        refused(place("192.168.1.300:80"), "is not an address and a port");
        refused(place("1.2.3.4:0"), "port 0");
        refused(place("name:0"), "port 0");
        refused(place("1.2.3.4"), "has no port");
        refused(place("name"), "has no port");
        refused(place("name:http"), "is not an address and a port");
        refused(place("a b:80"), "is not an address and a port");
        refused(place("2001:db8::1:80"), "write \"[2001:db8::1:80]:8765\"");
        refused(place("[::1]"), "is not an address and a port");
        refused(place(""), "is not an address and a port");
        refused(place("[fe80::1]:80"), "write \"[fe80::1%2]:80\"");
        refused(place("[fe80::1%eth0]:80"), "names the interface \"eth0\"");
        assert!(place("[fe80::1%2]:80").is_ok());
        refused(place("unix:run/a"), "absolute path");
        refused(place(&format!("unix:/{}", "a".repeat(107))), "at most 107");
    }

    /// Goal: prefixes are exact. Method: both families at their ends, and bits too many.
    #[test]
    fn networks_have_no_bits_beyond_their_length() {
        let net = |text| read(text, network).map(|n| format!("{}/{}", n.addr, n.prefix));
        assert_eq!(net("10.0.0.0/8"), Ok("10.0.0.0/8".into()));
        assert_eq!(net("10.1.2.3"), Ok("10.1.2.3/32".into()));
        assert_eq!(net("0.0.0.0/0"), Ok("0.0.0.0/0".into()));
        assert_eq!(net("::/0"), Ok("::/0".into()));
        assert_eq!(net("2001:db8::/32"), Ok("2001:db8::/32".into()));
        assert_eq!(net("::1"), Ok("::1/128".into()));
        refused(net("10.1.2.3/8"), "write \"10.0.0.0/8\"");
        refused(net("::ffff:10.1.0.0/104"), "write \"10.0.0.0/8\"");
        for bad in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "net/8", "", "1.2.3.4:80"]
        {
            refused(net(bad), "is not an address prefix");
        }
        assert!(read("1.2.3.4", ip).is_ok() && read("::1", ip).is_ok());
        refused(read("1.2.3.4:0", ip), "without a port");
        refused(read("::ffff:1.2.3.4", ip), "write \"1.2.3.4\"");
    }
}
