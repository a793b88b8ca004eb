//! An answer keeps its place among the queries until its client has taken it: what it holds in memory is bounded by
//! `http.max_concurrent_queries` answers of `http.max_response_bytes`.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::error::ApiError;

/// What is handed over at once. Less than what a connection collects before it writes: it never has the whole.
const PIECE: usize = 32 << 10;

/// The same answer, with its place.
pub(super) async fn keep(response: Response, slot: OwnedSemaphorePermit) -> Response {
    let (head, body) = response.into_parts();
    // No handler answers piece by piece: it is all there.
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return ApiError::Internal.into_response();
    };
    let kept = Bytes::from_owner(Kept { bytes, _slot: slot });
    Response::from_parts(head, Body::new(Pieces(kept)))
}

/// The place is free when the last byte is.
struct Kept {
    bytes: Bytes,
    _slot: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

struct Pieces(Bytes);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        let piece = PIECE.min(self.0.len());
        Poll::Ready(Some(Ok(Frame::data(self.0.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}
