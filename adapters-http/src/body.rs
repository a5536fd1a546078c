use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use zeroize::Zeroizing;

use crate::problem::{self, Problem};

/// The largest body that is read.
const MAX_BYTES: usize = 16 * 1024;
/// How much of a larger body is read and thrown away, so that its sender gets to reading the answer.
const MAX_DRAINED_BYTES: usize = 1024 * 1024;

/// Reads a body, whole or not at all.
pub(crate) async fn read(body: Body, timeout: Duration) -> Result<Zeroizing<Vec<u8>>, Problem> {
    match tokio::time::timeout(timeout, collect(body)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Problem::of(&problem::REQUEST_TIMEOUT)),
    }
}

async fn collect(mut body: Body) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(room(&body)));
    let mut seen = 0;
    while let Some(chunk) = next_chunk(&mut body).await? {
        seen += chunk.len();
        if seen <= MAX_BYTES {
            bytes.extend_from_slice(&chunk);
        } else if seen > MAX_BYTES + MAX_DRAINED_BYTES {
            break;
        }
    }
    if seen > MAX_BYTES { Err(Problem::of(&problem::BODY_TOO_LARGE)) } else { Ok(bytes) }
}

/// As much as may come, so that it never moves and leaves an unwiped copy, and no more: wiping what most
/// requests do not use would cost them microseconds.
fn room(body: &Body) -> usize {
    let upper = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
    upper.map_or(MAX_BYTES, |bytes| bytes.min(MAX_BYTES))
}

async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    match body.frame().await {
        None => Ok(None),
        Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
        Some(Err(_)) => Err(Problem::of(&problem::BODY_UNREADABLE)),
    }
}

/// `application/json`, in UTF-8 and not compressed. Asking for it also keeps other sites' forms out,
/// which a browser sends without a preflight only as one of three other types.
pub(crate) fn is_plain_json(headers: &HeaderMap) -> bool {
    is_plain(headers, "application/json")
}

/// What a browser sends of a form, in UTF-8 and not compressed.
#[cfg(feature = "pages")]
pub(crate) fn is_plain_form(headers: &HeaderMap) -> bool {
    is_plain(headers, "application/x-www-form-urlencoded")
}

fn is_plain(headers: &HeaderMap, expected: &str) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let encoding = text(header::CONTENT_ENCODING).unwrap_or("identity");
    let Some(content_type) = text(header::CONTENT_TYPE) else {
        return false;
    };
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let utf_8 = |part: &str| {
        part.split_once('=').is_none_or(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    };
    essence.eq_ignore_ascii_case(expected)
        && parts.all(utf_8)
        && encoding.eq_ignore_ascii_case("identity")
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[test]
    fn a_body_has_the_room_that_it_needs_and_no_more() {
        let unknown = Body::from_stream(stream::iter([Ok::<_, std::io::Error>("chunk")]));
        for (body, expected) in [
            (Body::empty(), 0),
            (Body::from("{}"), 2),
            (Body::from(vec![b' '; MAX_BYTES + 1]), MAX_BYTES),
            (unknown, MAX_BYTES),
        ] {
            assert_eq!(room(&body), expected);
        }
    }
}
