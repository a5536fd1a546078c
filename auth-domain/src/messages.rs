//! Sentences by language. What a user's file may not say is refused when it is read, so that nothing can
//! fail when a sentence is needed.

mod entries;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use thiserror::Error;

use crate::Locale;
use crate::locale::ever_broader;
use entries::{Entries, too_deep};

/// Sentences in several languages, each by its id, as [Fluent](https://projectfluent.org) files word them.
/// A clone shares them.
///
/// The first language is the reference: its ids are the sentences that there are. What another language does
/// not say is said in a broader one (`pt` for `pt-BR`) if that is there, or in the reference. A language that is added needs no more than what it words otherwise; one that
/// is there already takes single sentences from the new file.
///
/// ```
/// use auth_domain::{Locale, Messages};
///
/// let english = "greeting = Hello, { $name }!\nfarewell = Good bye.";
/// let messages = Messages::new(Locale::EN, english)?;
/// let french = Locale::parse("fr")?;
/// let messages = messages.with_language(french, "greeting = Bonjour, { $name } !")?;
///
/// assert_eq!(messages.text(french, "greeting", &[("name", "Ann".into())]), "Bonjour, Ann !");
/// assert_eq!(messages.text(french, "farewell", &[]), "Good bye.");
/// assert_eq!(messages.missing(french).collect::<Vec<_>>(), ["farewell"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Of Fluent there are texts, variables, selectors (plurals by the rules of each language), references to
/// messages and to terms. There are no functions, and terms take no arguments.
#[derive(Clone)]
pub struct Messages {
    /// The reference first.
    languages: Arc<Vec<Arc<Language>>>,
    /// The variables of each sentence, by the first file of the reference.
    variables: Arc<Variables>,
}

/// The variables that a sentence may use, by its id.
type Variables = BTreeMap<String, BTreeSet<String>>;

struct Language {
    locale: Locale,
    files: Vec<Arc<FluentResource>>,
    bundle: FluentBundle<Arc<FluentResource>>,
}

/// What a sentence is told. Never read as Fluent, whatever it holds.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum MessageValue<'a> {
    /// A number, which plurals go by.
    Number(u32),
    /// A text, as it is.
    Text(&'a str),
}

/// Why a file of sentences is not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MessagesError {
    /// One id twice in one file.
    #[error("{locale}: {id} is there twice")]
    Duplicate {
        /// The file's language.
        locale: Locale,
        /// The message, or the term with its dash.
        id: String,
    },
    /// Not a Fluent file.
    #[error("{locale}, line {line}: not Fluent")]
    Syntax {
        /// The file's language.
        locale: Locale,
        /// Where it was noticed, from 1.
        line: usize,
        /// What was expected.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A message that refers to itself, or has or comes to more than a hundred placeables.
    #[error("{locale}: {id} refers to itself or to too much")]
    TooComplex {
        /// The file's language.
        locale: Locale,
        /// The message.
        id: String,
    },
    /// A message that the reference language does not have.
    #[error("{locale}: there is no message {id}")]
    UnknownMessage {
        /// The file's language.
        locale: Locale,
        /// The message.
        id: String,
    },
    /// A reference to what the language does not have.
    #[error("{locale}: {id} refers to {reference}, which is not there")]
    UnknownReference {
        /// The file's language.
        locale: Locale,
        /// The message.
        id: String,
        /// A message, a term with its dash or an attribute of either.
        reference: String,
    },
    /// A variable that the message does not have in the reference language, or one within a term.
    #[error("{locale}: {id} has no variable ${variable}")]
    UnknownVariable {
        /// The file's language.
        locale: Locale,
        /// The message.
        id: String,
        /// The variable, without its dollar.
        variable: String,
    },
    /// A part of Fluent that is not taken.
    #[error("{locale}: {id} has {what}, which is not taken here")]
    Unsupported {
        /// The file's language.
        locale: Locale,
        /// The message.
        id: String,
        /// What it is.
        what: &'static str,
    },
}

impl Messages {
    /// The sentences of a Fluent file, in the language that others fall back to.
    ///
    /// # Errors
    /// [`MessagesError`] for a file that is no Fluent, or says what could fail when it is needed.
    pub fn new(reference: Locale, ftl: &str) -> Result<Self, MessagesError> {
        let (language, variables) = Language::read(reference, Vec::new(), ftl)?;
        Ok(Self { languages: Arc::new(vec![Arc::new(language)]), variables: Arc::new(variables) })
    }

    /// The same with one more language, or, of one that is there, with single sentences worded anew.
    ///
    /// # Errors
    /// [`MessagesError`] as for [`Messages::new`], and for an id or a variable that the reference language
    /// does not have.
    pub fn with_language(mut self, locale: Locale, ftl: &str) -> Result<Self, MessagesError> {
        let languages = Arc::make_mut(&mut self.languages);
        let there = languages.iter_mut().find(|language| language.locale == locale);
        let files = there.as_ref().map(|language| language.files.clone()).unwrap_or_default();
        let (language, variables) = Language::read(locale, files, ftl)?;
        known(locale, &variables, &self.variables)?;
        match there {
            Some(there) => *there = Arc::new(language),
            None => languages.push(Arc::new(language)),
        }
        Ok(self)
    }

    /// The languages, the reference first.
    pub fn locales(&self) -> impl Iterator<Item = Locale> {
        self.languages.iter().map(|language| language.locale)
    }

    /// The id of every sentence, in alphabetical order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// The variables that a sentence may use in any language, in alphabetical order and without their dollar.
    pub fn variables(&self, id: &str) -> impl Iterator<Item = &str> {
        self.variables.get(id).into_iter().flatten().map(String::as_str)
    }

    /// The sentences that a language does not say itself: all of them, if it is not there.
    pub fn missing(&self, locale: Locale) -> impl Iterator<Item = &str> {
        let language = self.languages.iter().find(|language| language.locale == locale);
        self.ids()
            .filter(move |id| language.is_none_or(|language| !language.bundle.has_message(id)))
    }

    /// The language for a range of languages such as `pt-BR` in any case (RFC 4647 section 3.4, lookup): that
    /// one or the next broader one that is there.
    pub fn lookup(&self, range: &str) -> Option<Locale> {
        self.matching(range).next().map(|language| language.locale)
    }

    /// The language that a sentence is said in to who prefers `locale`.
    pub fn language_of(&self, locale: Locale, id: &str) -> Locale {
        let language = self.wording(&locale, id).next();
        language.map_or(locale, |language| language.locale)
    }

    /// A sentence in a language, or in the next broader one that has it, or in the reference language. The
    /// id itself, if there is no such sentence or not each of its variables has a value.
    ///
    /// Values are put in as they are, without marks for their direction of writing, which would get into
    /// subjects and into what is copied out of a mail.
    pub fn text(&self, locale: Locale, id: &str, values: &[(&str, MessageValue<'_>)]) -> String {
        let arguments = values.iter().map(|(name, value)| (*name, value.to_fluent()));
        let arguments = arguments.collect();
        let text = self.wording(&locale, id).find_map(|language| language.text(id, &arguments));
        text.unwrap_or_else(|| id.to_owned())
    }

    /// The languages that have a sentence for who prefers `locale`, the narrowest first.
    fn wording<'a>(
        &'a self,
        locale: &'a Locale,
        id: &'a str,
    ) -> impl Iterator<Item = &'a Language> {
        let reference = self.languages.first().map(Arc::as_ref);
        let narrowest_first = self.matching(locale.tag()).chain(reference);
        narrowest_first.filter(move |language| language.bundle.has_message(id))
    }

    fn matching<'a>(&'a self, range: &'a str) -> impl Iterator<Item = &'a Language> {
        let language = |tag: &str| {
            let mut languages = self.languages.iter().map(Arc::as_ref);
            languages.find(|language| language.locale.tag().eq_ignore_ascii_case(tag))
        };
        ever_broader(range).filter_map(language)
    }
}

/// Whether the reference language has all these sentences, and these variables in them.
fn known(locale: Locale, said: &Variables, reference: &Variables) -> Result<(), MessagesError> {
    for (id, variables) in said {
        let Some(known) = reference.get(id) else {
            return Err(MessagesError::UnknownMessage { locale, id: id.clone() });
        };
        if let Some(variable) = variables.difference(known).next() {
            let (id, variable) = (id.clone(), variable.clone());
            return Err(MessagesError::UnknownVariable { locale, id, variable });
        }
    }
    Ok(())
}

impl Language {
    /// The language with one more file over those that it had, and the variables of its sentences.
    fn read(
        locale: Locale,
        mut files: Vec<Arc<FluentResource>>,
        ftl: &str,
    ) -> Result<(Self, Variables), MessagesError> {
        files.push(Arc::new(resource(locale, ftl)?));
        let variables = Entries::of(locale, &files)?.variables()?;
        let mut bundle = FluentBundle::new_concurrent(vec![locale.identifier()]);
        bundle.set_use_isolating(false);
        for file in &files {
            bundle.add_resource_overriding(Arc::clone(file));
        }
        Ok((Self { locale, files, bundle }, variables))
    }

    fn text(&self, id: &str, arguments: &FluentArgs<'_>) -> Option<String> {
        let pattern = self.bundle.get_message(id)?.value()?;
        let mut errors = Vec::new();
        let text = self.bundle.format_pattern(pattern, Some(arguments), &mut errors);
        errors.is_empty().then(|| text.into_owned())
    }
}

fn resource(locale: Locale, ftl: &str) -> Result<FluentResource, MessagesError> {
    if let Some(id) = too_deep(ftl) {
        return Err(MessagesError::TooComplex { locale, id: id.to_owned() });
    }
    FluentResource::try_new(ftl.to_owned()).map_err(|(_, errors)| {
        let first = errors.into_iter().next();
        let position = first.as_ref().map_or(0, |error| error.pos.start);
        let lines = ftl.bytes().take(position).filter(|byte| *byte == b'\n').count();
        let source = first.map_or_else(|| "a message".into(), Box::from);
        MessagesError::Syntax { locale, line: lines + 1, source }
    })
}

impl<'a> MessageValue<'a> {
    fn to_fluent(self) -> FluentValue<'a> {
        match self {
            Self::Number(number) => number.into(),
            Self::Text(text) => text.into(),
        }
    }
}

impl<'a> From<&'a str> for MessageValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for MessageValue<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Messages").field(&self.locales().collect::<Vec<_>>()).finish()
    }
}
