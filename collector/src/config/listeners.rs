//! Where the collector listens: no two listeners in one place, and no backend that is the collector itself.

use http::Uri;

use super::Config;
use super::mistakes::Mistakes;

type Listener<'a> = (&'static str, &'a str);

pub(super) fn check(config: &Config, mistakes: &mut Mistakes) {
    let receive = &config.receive;
    let mut listeners: Vec<Listener<'_>> =
        vec![("receive.grpc.listen", &receive.grpc.listen), ("receive.http.listen", &receive.http.listen)];
    check_backends(config, &listeners, mistakes);
    listeners.extend(receive.llmtrace.listen.as_deref().map(|address| ("receive.llmtrace.listen", address)));
    listeners.push(("http.listen", &config.http.listen));
    for (nth, (key, address)) in listeners.iter().enumerate() {
        if let Some((other, _)) = listeners.iter().take(nth).find(|(_, other)| is_same(other, address)) {
            mistakes.add(key, format!("is {address}, like {other}"), "give one of them another port");
        }
    }
}

/// What went out would come in again, and go out again.
fn check_backends(config: &Config, listeners: &[Listener<'_>], mistakes: &mut Mistakes) {
    for exporter in &config.export {
        let Some(address) = address(&exporter.endpoint) else { continue };
        if let Some((key, _)) = listeners.iter().find(|(_, own)| is_reached(own, &address)) {
            mistakes.add(
                &format!("export.{}.endpoint", exporter.name),
                format!("is this collector itself ({key})"),
                "name another backend: what is exported to itself comes in again without end",
            );
        }
    }
}

fn address(endpoint: &Uri) -> Option<String> {
    let port = endpoint.port_u16().unwrap_or(if endpoint.scheme_str()? == "https" { 443 } else { 80 });
    Some(format!("{}:{port}", endpoint.host()?))
}

/// Whether both listen on one port of one address. Port 0 is a free one each time.
fn is_same(one: &str, other: &str) -> bool {
    let (Some((host, port)), Some((other_host, other_port))) = (one.rsplit_once(':'), other.rsplit_once(':'))
    else {
        return false;
    };
    port == other_port
        && port != "0"
        && (host == other_host || is_unspecified(host) || is_unspecified(other_host))
}

/// Whether who connects to the address on this machine gets to the listener.
fn is_reached(listener: &str, address: &str) -> bool {
    let host_of = |text: &str| text.rsplit_once(':').map(|(host, _)| host.to_owned()).unwrap_or_default();
    let (own, host) = (host_of(listener), host_of(address));
    let is_here = is_loopback(&host) || is_unspecified(&host);
    is_same(listener, address) && (own == host || is_here)
        || is_here && is_loopback(&own) && listener.rsplit(':').next() == address.rsplit(':').next()
}

fn is_unspecified(host: &str) -> bool {
    matches!(host, "0.0.0.0" | "[::]")
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.starts_with("127.")
}
