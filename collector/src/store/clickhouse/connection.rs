//! How the server is spoken to: HTTP, or HTTPS with the authorities that the system trusts or those of
//! `store.clickhouse.ca`.

use std::time::Duration;

use clickhouse::Client;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::config::{self, ClientTls};
use crate::export::tls;
use crate::store::StoreError;

/// Dead connections are noticed by it.
const KEEPALIVE: Duration = Duration::from_mins(1);
/// Shorter than the 3 s after which the server closes a connection.
const IDLE: Duration = Duration::from_secs(2);

pub(super) fn client(config: &config::ClickHouse) -> Result<Client, StoreError> {
    let client = match config.client_tls() {
        Some(tls) => trusting(&tls)?,
        None => Client::default(),
    };
    Ok(client
        .with_url(&config.url)
        .with_user(&config.user)
        .with_password(config.password.expose())
        .with_product_info("meshtap", env!("CARGO_PKG_VERSION"))
        .with_setting("async_insert", "0"))
}

/// As the client's own is made, but for whom it trusts.
fn trusting(tls: &ClientTls) -> Result<Client, StoreError> {
    let tls = tls::config(tls).map_err(|error| StoreError::permanent(error.to_string()))?;
    let mut connector = HttpConnector::new();
    connector.set_keepalive(Some(KEEPALIVE));
    connector.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE)
        .build(connector);
    Ok(Client::with_http_client(client))
}
