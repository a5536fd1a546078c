use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use crate::endpoint::Field;
use crate::problem::{self, Problem};

/// The fields of a JSON object of strings: those that were asked for, each once, and no others. The last
/// ones may be left out, where that was said.
///
/// Read by hand and not derived, since derived messages quote what was sent, and that may be a password.
/// Values of a wrong type are skipped without recursion, however deeply they are nested.
pub(crate) struct Fields {
    asked: &'static [Field],
    values: Vec<Option<Zeroizing<String>>>,
}

impl Fields {
    /// Those that are optional may be left out, or null.
    ///
    /// # Errors
    /// The first thing wrong with the body.
    pub(crate) fn parse(body: &[u8], asked: &'static [Field]) -> Result<Self, Problem> {
        let mut found = Found::none_of(asked);
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let read =
            (&mut deserializer).deserialize_map(&mut found).and_then(|()| deserializer.end());
        match read {
            Ok(()) => found.complete(),
            Err(error) if error.is_data() => Err(Problem::of(&problem::BODY_NOT_OBJECT)),
            Err(_) => Err(Problem::of(&problem::MALFORMED_JSON)),
        }
    }

    /// The fields of a form that a browser sent (`application/x-www-form-urlencoded`); what is missing is
    /// empty, as an empty field is. Others are passed over: a template of one's own may have some.
    ///
    /// # Errors
    /// What is wrong with the form. What is no UTF-8 is refused, since it would be another password.
    #[cfg(feature = "pages")]
    pub(crate) fn parse_form(body: &[u8], asked: &'static [Field]) -> Result<Self, Problem> {
        let mut found = Found::none_of(asked);
        for (key, value) in url::form_urlencoded::parse(body) {
            let value = Zeroizing::new(value.into_owned());
            if value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(Problem::of(&problem::FORM_UNREADABLE));
            }
            if let Some(index) = position(asked, &key) {
                found.keep(index, Value::Text(value));
            }
        }
        match found.problem {
            Some(problem) => Err(problem),
            None => Ok(Self { asked, values: found.values }),
        }
    }

    /// The value of one of the names asked for, left where it is.
    #[cfg(feature = "pages")]
    pub(crate) fn get(&self, name: &str) -> &str {
        let index = position(self.asked, name);
        index.and_then(|index| self.values[index].as_deref()).map_or("", String::as_str)
    }

    /// The value of one of the names asked for; empty if it was left out.
    pub(crate) fn take(&mut self, name: &'static str) -> Zeroizing<String> {
        let index = position(self.asked, name);
        index.and_then(|index| self.values[index].take()).unwrap_or_default()
    }
}

/// Where a field stands among those that are asked for.
fn position(asked: &[Field], name: &str) -> Option<usize> {
    asked.iter().position(|field| field.name == name)
}

struct Found {
    asked: &'static [Field],
    values: Vec<Option<Zeroizing<String>>>,
    problem: Option<Problem>,
}

impl Found {
    fn none_of(asked: &'static [Field]) -> Self {
        Self { asked, values: vec![None; asked.len()], problem: None }
    }

    fn refuse(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }

    fn keep(&mut self, index: usize, value: Value) {
        let Field { name, is_optional, .. } = self.asked[index];
        match value {
            Value::Text(_) if self.values[index].is_some() => {
                self.refuse(Problem::of(&problem::FIELD_DUPLICATE).about(name));
            }
            Value::Text(text) => self.values[index] = Some(text),
            Value::Null if is_optional => {}
            Value::Null => self.refuse(Problem::of(&problem::FIELD_MISSING).about(name)),
            Value::Other => self.refuse(Problem::of(&problem::FIELD_WRONG_TYPE).about(name)),
        }
    }

    fn complete(self) -> Result<Fields, Problem> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let mut fields = self.asked.iter().zip(&self.values);
        match fields.find(|(field, value)| value.is_none() && !field.is_optional) {
            Some((missing, _)) => Err(Problem::of(&problem::FIELD_MISSING).about(missing.name)),
            None => Ok(Fields { asked: self.asked, values: self.values }),
        }
    }
}

impl<'de> Visitor<'de> for &mut Found {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(ValueSeed)? {
            let value = map.next_value_seed(ValueSeed)?;
            let Value::Text(key) = key else { continue };
            match position(self.asked, &key) {
                Some(index) => self.keep(index, value),
                None => self.refuse(Problem::of(&problem::FIELD_UNKNOWN)),
            }
        }
        Ok(())
    }
}

enum Value {
    Text(Zeroizing<String>),
    Null,
    Other,
}

struct ValueSeed;

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Kind;

    const ASKED: &[Field] =
        &[Field::new("email", Kind::Email), Field::new("password", Kind::Password)];
    const WITH_DEVICE: &[Field] =
        &[Field::new("email", Kind::Email), Field::optional("device_token", Kind::DeviceToken)];

    fn refused(body: &[u8]) -> Option<(&'static str, Option<&'static str>)> {
        let parsed = Fields::parse(body, ASKED);
        parsed.err().map(|problem| (problem.code(), problem.field()))
    }

    #[test]
    fn a_body_of_the_fields_asked_for_is_read() {
        let body = r#" {"password": "p\u0000\uD55C", "email": "e"} "#;
        let mut fields = Fields::parse(body.as_bytes(), ASKED).unwrap();
        assert_eq!(fields.take("email").as_str(), "e");
        assert_eq!(fields.take("password").as_str(), "p\u{0}\u{d55c}");
    }

    #[test]
    fn an_optional_field_may_be_left_out_and_is_otherwise_as_any() {
        let parse = |body: &str| Fields::parse(body.as_bytes(), WITH_DEVICE);
        for absent in [r#"{"email":"e"}"#, r#"{"email":"e","device_token":null}"#] {
            assert_eq!(parse(absent).unwrap().take("device_token").as_str(), "");
        }
        let mut fields = parse(r#"{"device_token":"d","email":"e"}"#).unwrap();
        assert_eq!(fields.take("device_token").as_str(), "d");
        for (body, code) in [
            (r#"{"device_token":"d"}"#, "field_missing"),
            (r#"{"email":null,"device_token":"d"}"#, "field_missing"),
            (r#"{"email":"e","device_token":1}"#, "field_wrong_type"),
            (r#"{"email":"e","device_token":"d","device_token":"d"}"#, "field_duplicate"),
        ] {
            assert_eq!(parse(body).err().map(|problem| problem.code()), Some(code), "{body}");
        }
    }

    fn all_refused(expected: &[(&str, &'static str, Option<&'static str>)]) {
        for (body, code, field) in expected {
            assert_eq!(refused(body.as_bytes()), Some((*code, *field)), "{body:.80}");
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        all_refused(&[
            (r"", "malformed_json", None),
            (r"{", "malformed_json", None),
            (r#"{"email":"e","password":"p"} x"#, "malformed_json", None),
            (r#"{"email":"e","password":"p",}"#, "malformed_json", None),
            (r#"{"email":"\uD800","password":"p"}"#, "malformed_json", None),
            (r#"{"email":"e","password":"p"#, "malformed_json", None),
            (r"[]", "body_not_object", None),
            (r#""text""#, "body_not_object", None),
            (r"null", "body_not_object", None),
            (r"12", "body_not_object", None),
        ]);
        let not_utf_8 = b"{\"email\":\"\xff\",\"password\":\"p\"}";
        assert_eq!(refused(not_utf_8), Some(("malformed_json", None)));
        assert_eq!(refused(&vec![b'['; 100_000]), Some(("body_not_object", None)));
    }

    #[test]
    fn a_field_that_is_missing_doubled_unknown_or_no_string_is_refused() {
        let deep =
            format!(r#"{{"email":{}{},"password":"p"}}"#, "[".repeat(8_000), "]".repeat(8_000));
        all_refused(&[
            (r"{}", "field_missing", Some("email")),
            (r#"{"email":"e"}"#, "field_missing", Some("password")),
            (r#"{"email":null,"password":"p"}"#, "field_missing", Some("email")),
            (r#"{"email":"e","password":12}"#, "field_wrong_type", Some("password")),
            (r#"{"email":"e","password":-1}"#, "field_wrong_type", Some("password")),
            (r#"{"email":"e","password":1e999}"#, "malformed_json", None),
            (r#"{"email":1.5,"password":"p"}"#, "field_wrong_type", Some("email")),
            (r#"{"email":true,"password":"p"}"#, "field_wrong_type", Some("email")),
            (r#"{"email":["e"],"password":"p"}"#, "field_wrong_type", Some("email")),
            (r#"{"email":{"$ne":""},"password":"p"}"#, "field_wrong_type", Some("email")),
            (r#"{"email":"e","email":"f","password":"p"}"#, "field_duplicate", Some("email")),
            (r#"{"email":"e","\u0065mail":"f","password":"p"}"#, "field_duplicate", Some("email")),
            (r#"{"email":"e","password":"p","role":"admin"}"#, "field_unknown", None),
            (&deep, "field_wrong_type", Some("email")),
        ]);
    }
}
