use axum::http::{HeaderMap, header};
use url::Url;

/// Whether a form may come from one of these pages, by what a browser says of it (Fetch Metadata; the same
/// rule as OWASP's for requests that change something). Browsers of before 2023 send `Origin` alone, and
/// that is `null` for our own forms, since they are told to name no referrer; what no browser sent has
/// neither. Both are let in: these forms act by what was typed or mailed, and by no cookie that another site
/// could have sent along.
pub(super) fn may_be_from_here(headers: &HeaderMap) -> bool {
    match text(headers, "sec-fetch-site") {
        Some(site) => matches!(site, "same-origin" | "none"),
        None => text(headers, header::ORIGIN.as_str())
            .is_none_or(|origin| origin == "null" || is_of_host(origin, headers)),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

fn is_of_host(origin: &str, headers: &HeaderMap) -> bool {
    let host = text(headers, header::HOST.as_str()).unwrap_or_default();
    Url::parse(origin).is_ok_and(|origin| {
        let scheme = origin.scheme();
        let ours = Url::parse(&format!("{scheme}://{host}"));
        ours.is_ok_and(|ours| ours.origin() == origin.origin())
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn is_let_in(given: &[(&'static str, &'static str)]) -> bool {
        let headers = given.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), HeaderValue::from_static(value))
        });
        may_be_from_here(&headers.collect())
    }

    #[test]
    fn a_form_of_another_site_is_refused() {
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            assert!(!is_let_in(&[("sec-fetch-site", site)]), "{site}");
        }
        for site in ["same-origin", "none"] {
            assert!(is_let_in(&[("sec-fetch-site", site), ("origin", "null")]), "{site}");
        }
    }

    #[test]
    fn of_an_older_browser_the_origin_is_asked() {
        let host = ("host", "accounts.example.com");
        assert!(is_let_in(&[host, ("origin", "https://accounts.example.com")]));
        for origin in [
            "https://evil.example",
            "https://accounts.example.com.evil.example",
            "https://accounts.example.com:8443",
            "junk",
        ] {
            assert!(!is_let_in(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(!is_let_in(&[("origin", "https://accounts.example.com")]));
        assert!(is_let_in(&[host, ("origin", "null")]) && is_let_in(&[host]));
    }
}
