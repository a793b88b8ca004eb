//! The collector from outside: OTLP in over gRPC, answers out over HTTP, in one process with the test.

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod api;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod clickhouse_tls;
#[cfg(test)]
mod export;
#[cfg(test)]
mod http;
#[cfg(test)]
mod idle;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod llmtrace;
#[cfg(test)]
mod otlp;
#[cfg(test)]
mod running;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod unread;
