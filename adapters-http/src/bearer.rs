use axum::http::{HeaderMap, header};

use crate::problem::Problem;

/// The token of an `Authorization: Bearer` header (RFC 6750 section 2.1), the only place where one is
/// looked for.
pub(crate) fn token(headers: &HeaderMap) -> Result<&str, Problem> {
    let malformed = || Problem::of("authorization_malformed");
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(Problem::of("token_missing"));
    };
    if values.next().is_some() {
        return Err(malformed());
    }
    let value = value.to_str().map_err(|_| malformed())?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::of("token_missing"));
    }
    let token = token.trim();
    let well_formed = !token.is_empty() && !token.contains(|c: char| c.is_whitespace() || c == ',');
    if well_formed { Ok(token) } else { Err(malformed()) }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(values: &[&[u8]]) -> Result<String, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        token(&headers).map(str::to_owned).map_err(|problem| problem.code())
    }

    #[test]
    fn one_bearer_token_is_read_and_nothing_else() {
        assert_eq!(read(&[b"Bearer a.b.c"]).as_deref(), Ok("a.b.c"));
        assert_eq!(read(&[b"bearer a.b.c"]).as_deref(), Ok("a.b.c"));
        for (values, code) in [
            (&[][..], "token_missing"),
            (&[&b"Basic YTpi"[..]], "token_missing"),
            (&[&b""[..]], "token_missing"),
            (&[&b"Bearer"[..]], "authorization_malformed"),
            (&[&b"Bearer  "[..]], "authorization_malformed"),
            (&[&b"Bearer a b"[..]], "authorization_malformed"),
            (&[&b"Bearer a,b"[..]], "authorization_malformed"),
            (&[&b"Bearer \xff"[..]], "authorization_malformed"),
            (&[&b"Bearer a"[..], &b"Bearer b"[..]], "authorization_malformed"),
        ] {
            assert_eq!(read(values), Err(code), "{values:?}");
        }
    }
}
