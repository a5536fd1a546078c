//! Reads the text format of Prometheus, version 0.0.4, and refuses what is not of its grammar.

use std::collections::BTreeMap;

/// The samples, by name and labels in order, such as `auth_logins_total auth_outcome=success`.
pub(crate) fn read(page: &str) -> BTreeMap<String, f64> {
    assert!(page.ends_with('\n'), "the last line ends as well");
    let mut kinds = BTreeMap::new();
    let mut samples = BTreeMap::new();
    for line in page.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            read_comment(comment, &mut kinds);
        } else {
            let (series, value) = read_sample(line);
            assert!(is_declared(&series, &kinds), "{line:?} is of no type that was declared");
            assert!(samples.insert(series, value).is_none(), "{line:?} is there twice");
        }
    }
    samples
}

fn read_comment<'a>(comment: &'a str, kinds: &mut BTreeMap<&'a str, &'a str>) {
    let (keyword, rest) = comment.split_once(' ').unwrap();
    let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
    assert!(is_name(name), "{comment:?}");
    match keyword {
        "HELP" => {}
        "TYPE" => {
            assert!(["counter", "gauge", "histogram"].contains(&text), "{comment:?}");
            assert!(kinds.insert(name, text).is_none(), "{name} has two types");
        }
        _ => panic!("{comment:?}"),
    }
}

/// `name{label="value",..} value`.
fn read_sample(line: &str) -> (String, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let value = match value {
        "+Inf" => f64::INFINITY,
        value => value.parse().unwrap_or_else(|_| panic!("{line:?}")),
    };
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    assert!(is_name(name), "{line:?}");
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line:?}"));
    let mut words: Vec<_> = read_labels(labels)
        .filter(|(label, _)| !label.starts_with("otel_scope_"))
        .map(|(label, value)| format!("{label}={value}"))
        .collect();
    words.sort_unstable();
    words.insert(0, name.to_owned());
    (words.join(" "), value)
}

/// None of our values has a quotation mark, a backslash or a comma.
fn read_labels(labels: &str) -> impl Iterator<Item = (&str, &str)> {
    labels.split(',').filter(|label| !label.is_empty()).map(|label| {
        let (name, value) = label.split_once('=').unwrap();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = value.filter(|value| !value.contains(['"', '\\']));
        assert!(is_name(name) && !name.contains(':'), "{label:?}");
        (name, value.unwrap_or_else(|| panic!("{label:?}")))
    })
}

fn is_declared(series: &str, kinds: &BTreeMap<&str, &str>) -> bool {
    let name = series.split(' ').next().unwrap();
    let of_histogram = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| {
        let name = name.strip_suffix(suffix)?;
        (kinds.get(name) == Some(&"histogram")).then_some(())
    });
    of_histogram.is_some() || matches!(kinds.get(name), Some(&"counter" | &"gauge"))
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
fn is_name(name: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"_:".contains(&byte);
    !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(is_known)
}

/// What a series of OpenTelemetry is called there: `suffix` is what its kind and unit append.
pub(crate) fn named(series: &str, suffix: &str) -> String {
    let mut words = series.split(' ');
    let name = words.next().unwrap().replace('.', "_");
    let labels = words.map(|word| {
        let (label, value) = word.split_once('=').unwrap();
        format!("{}={value}", label.replace('.', "_"))
    });
    let mut words: Vec<_> = labels.collect();
    words.sort_unstable();
    words.insert(0, format!("{name}{suffix}"));
    words.join(" ")
}
