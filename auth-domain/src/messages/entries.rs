use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fluent_bundle::FluentResource;
use fluent_syntax::ast::{Attribute, Entry, Expression, Identifier, InlineExpression, Message};
use fluent_syntax::ast::{Pattern, PatternElement, Term};

use super::{MessagesError, Variables};
use crate::Locale;

/// As many as Fluent's resolver resolves for one text. Bounds what refers to itself, too.
const MOST_PLACEABLES: usize = 100;

/// Plurals of longer numbers overflow in Fluent's resolver.
const LONGEST_NUMBER: usize = 15;

/// The entry that has more brackets than placeables may be. Fluent's parser goes down into each, so enough of
/// them would end the process before anything else is known of the file. Counted line by line, and whether
/// or not they are closed: what is a text and what is not, the parser alone knows.
pub(super) fn too_deep(ftl: &str) -> Option<&str> {
    let (mut entry, mut opened) = ("", 0);
    for line in ftl.lines() {
        if let Some(id) = begun_by(line) {
            (entry, opened) = (id, 0);
        }
        opened += line.bytes().filter(|byte| matches!(byte, b'{' | b'(')).count();
        if opened > MOST_PLACEABLES {
            return Some(entry);
        }
    }
    None
}

/// The id at the start of a line, if the parser cannot be within a bracket there: no bracket holds a line that
/// starts so, or that is a comment.
fn begun_by(line: &str) -> Option<&str> {
    if line.starts_with('#') {
        return Some("#");
    }
    let id = line.split_once('=')?.0.trim_end_matches(' ');
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (!id.is_empty() && id.bytes().all(is_id)).then_some(id)
}

/// What one language says: of two files the later.
pub(super) struct Entries<'a> {
    locale: Locale,
    messages: BTreeMap<&'a str, &'a Message<&'a str>>,
    terms: BTreeMap<&'a str, &'a Term<&'a str>>,
}

impl<'a> Entries<'a> {
    pub(super) fn of(
        locale: Locale,
        files: &'a [Arc<FluentResource>],
    ) -> Result<Self, MessagesError> {
        let mut all = Self { locale, messages: BTreeMap::new(), terms: BTreeMap::new() };
        for file in files {
            all.add(file)?;
        }
        Ok(all)
    }

    fn add(&mut self, file: &'a FluentResource) -> Result<(), MessagesError> {
        let mut in_this_file = BTreeSet::new();
        for entry in file.entries() {
            let id = match entry {
                Entry::Message(message) => {
                    self.messages.insert(message.id.name, message);
                    message.id.name.to_owned()
                }
                Entry::Term(term) => {
                    self.terms.insert(term.id.name, term);
                    format!("-{}", term.id.name)
                }
                _ => continue,
            };
            if !in_this_file.insert(id.clone()) {
                return Err(MessagesError::Duplicate { locale: self.locale, id });
            }
        }
        Ok(())
    }

    /// The variables of each message, with those of what it refers to.
    pub(super) fn variables(&self) -> Result<Variables, MessagesError> {
        self.messages.iter().map(|(id, message)| self.variables_of(id, message)).collect()
    }

    fn variables_of(
        &self,
        id: &str,
        message: &Message<&str>,
    ) -> Result<(String, BTreeSet<String>), MessagesError> {
        let mut walk =
            Walk { entries: self, id, variables: BTreeSet::new(), placeables: 0, terms: 0 };
        let text = message.value.as_ref();
        walk.pattern(text.ok_or_else(|| walk.unsupported("attributes and no text"))?)?;
        Ok((id.to_owned(), walk.variables))
    }
}

/// A walk through all that a message could ever be resolved to.
struct Walk<'a> {
    entries: &'a Entries<'a>,
    id: &'a str,
    variables: BTreeSet<String>,
    placeables: usize,
    /// How many terms the walk is within.
    terms: usize,
}

impl Walk<'_> {
    fn pattern(&mut self, pattern: &Pattern<&str>) -> Result<(), MessagesError> {
        for element in &pattern.elements {
            if let PatternElement::Placeable { expression } = element {
                self.placeables += 1;
                if self.placeables > MOST_PLACEABLES {
                    let (locale, id) = (self.entries.locale, self.id.to_owned());
                    return Err(MessagesError::TooComplex { locale, id });
                }
                self.expression(expression)?;
            }
        }
        Ok(())
    }

    fn expression(&mut self, expression: &Expression<&str>) -> Result<(), MessagesError> {
        match expression {
            Expression::Inline(inline) => self.inline(inline),
            Expression::Select { selector, variants } => {
                self.inline(selector)?;
                variants.iter().try_for_each(|variant| self.pattern(&variant.value))
            }
        }
    }

    fn inline(&mut self, inline: &InlineExpression<&str>) -> Result<(), MessagesError> {
        use InlineExpression as Inline;
        match inline {
            Inline::StringLiteral { .. } => Ok(()),
            Inline::NumberLiteral { value } if value.len() > LONGEST_NUMBER => {
                Err(self.unsupported("a number of more than 15 digits"))
            }
            Inline::NumberLiteral { .. } => Ok(()),
            Inline::FunctionReference { .. } => Err(self.unsupported("a function")),
            Inline::TermReference { arguments: Some(_), .. } => {
                Err(self.unsupported("a term with arguments"))
            }
            Inline::TermReference { id, attribute, .. } => self.term(id, attribute.as_ref()),
            Inline::MessageReference { id, attribute } => self.message(id, attribute.as_ref()),
            Inline::VariableReference { id } => self.variable(id.name),
            Inline::Placeable { expression } => self.expression(expression),
        }
    }

    fn message(
        &mut self,
        id: &Identifier<&str>,
        attribute: Option<&Identifier<&str>>,
    ) -> Result<(), MessagesError> {
        let message = self.entries.messages.get(id.name);
        let pattern = message.and_then(|message| match attribute {
            Some(attribute) => named(&message.attributes, attribute),
            None => message.value.as_ref(),
        });
        self.pattern(pattern.ok_or_else(|| self.not_there("", id, attribute))?)
    }

    fn term(
        &mut self,
        id: &Identifier<&str>,
        attribute: Option<&Identifier<&str>>,
    ) -> Result<(), MessagesError> {
        let term = self.entries.terms.get(id.name);
        let pattern = term.and_then(|term| match attribute {
            Some(attribute) => named(&term.attributes, attribute),
            None => Some(&term.value),
        });
        self.terms += 1;
        self.pattern(pattern.ok_or_else(|| self.not_there("-", id, attribute))?)?;
        self.terms -= 1;
        Ok(())
    }

    /// A term sees nothing but its arguments, and there are none.
    fn variable(&mut self, name: &str) -> Result<(), MessagesError> {
        if self.terms > 0 {
            let (locale, id) = (self.entries.locale, self.id.to_owned());
            return Err(MessagesError::UnknownVariable { locale, id, variable: name.to_owned() });
        }
        self.variables.insert(name.to_owned());
        Ok(())
    }

    fn not_there(
        &self,
        dash: &str,
        id: &Identifier<&str>,
        attribute: Option<&Identifier<&str>>,
    ) -> MessagesError {
        let attribute = attribute.map(|attribute| format!(".{}", attribute.name));
        let reference = format!("{dash}{}{}", id.name, attribute.unwrap_or_default());
        let (locale, id) = (self.entries.locale, self.id.to_owned());
        MessagesError::UnknownReference { locale, id, reference }
    }

    fn unsupported(&self, what: &'static str) -> MessagesError {
        MessagesError::Unsupported { locale: self.entries.locale, id: self.id.to_owned(), what }
    }
}

fn named<'a>(
    attributes: &'a [Attribute<&'a str>],
    name: &Identifier<&str>,
) -> Option<&'a Pattern<&'a str>> {
    let named = attributes.iter().find(|attribute| attribute.id.name == name.name);
    named.map(|attribute| &attribute.value)
}
