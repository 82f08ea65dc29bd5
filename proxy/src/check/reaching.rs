//! How pools are reached that are not just connected to in the clear, one line each.

use std::io::{self, Write};

use loka_api::runtime_config::{Pool, PoolTls, Route, Socks5, TlsVersion};

pub(super) fn reaching(route: &Route, out: &mut dyn Write) -> io::Result<()> {
    for pool in &route.pools {
        if let Some(tls) = &pool.tls {
            writeln!(out, "  {} over {}", pool.name, encryption(pool, tls))?;
        }
        if let Some(Socks5 { host, port, login }) = &pool.socks5 {
            let login = if login.is_some() { "a login" } else { "no login" };
            let by = format!("the SOCKS5 server {host}:{port}, with {login}");
            writeln!(out, "  {} by way of {by}, which resolves its name", pool.name)?;
        }
    }
    Ok(())
}

/// The same cases as in `tls/pool.rs`.
fn encryption(pool: &Pool, tls: &PoolTls) -> String {
    let PoolTls { server_name, ca_pem, client_certificate, pins, min_version } = tls;
    let version = match min_version {
        TlsVersion::Tls12 => "TLS 1.2 or newer",
        TlsVersion::Tls13 => "TLS 1.3",
    };
    let name = server_name.as_deref().unwrap_or(&pool.endpoint.host);
    let pinned = match pins.len() {
        1 => "the pin".to_owned(),
        count => format!("one of {count} pins"),
    };
    let certificate = match (ca_pem, pins.is_empty()) {
        (None, true) => format!("a certificate for {name} by a public authority"),
        (Some(_), true) => format!("a certificate for {name} by the authorities of caSecretRef"),
        (None, false) => format!("a certificate with {pinned}, whoever signed it"),
        (Some(_), false) => {
            format!("a certificate for {name} by the authorities of caSecretRef and with {pinned}")
        }
    };
    let ours = if client_certificate.is_some() { "; it is shown one of ours" } else { "" };
    format!("{version}, with {certificate}{ours}")
}
