//! Where in a catalog something is wrong: the line of a TOML file, the pointer (RFC 6901) into a JSON document.

use std::fmt;

use toml::de::{DeTable, DeValue};

/// One step into a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(&'static str),
    Index(usize),
}

/// A way into a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(Vec<Step>);

impl At {
    pub(super) fn key(&self, key: &'static str) -> Self {
        self.step(Step::Key(key))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// As a JSON pointer; the keys of a catalog need no escapes.
    pub(super) fn pointer(&self) -> Place {
        let steps = self.0.iter().map(|step| match step {
            Step::Key(key) => format!("/{key}"),
            Step::Index(index) => format!("/{index}"),
        });
        Place::Pointer(steps.collect())
    }

    /// The line of a TOML document that was read without a mistake, or of the last step that is in it.
    pub(super) fn line(&self, text: &str, document: &DeTable<'_>) -> Place {
        let mut steps = self.0.iter();
        let mut start = 0;
        let mut value: Option<&DeValue<'_>> = None;
        if let Some(Step::Key(key)) = steps.next()
            && let Some(found) = document.get(*key)
        {
            (start, value) = (found.span().start, Some(found.get_ref()));
        }
        for step in steps {
            let found = match step {
                Step::Key(key) => value.and_then(|it| it.get(*key)),
                Step::Index(index) => value.and_then(|it| it.get(*index)),
            };
            let Some(found) = found else { break };
            (start, value) = (found.span().start, Some(found.get_ref()));
        }
        Place::Line(line_of(text, start))
    }
}

/// The line of a byte, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Where a mistake stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Line of a TOML file, from 1.
    Line(usize),
    /// Pointer into a JSON document; empty for the whole.
    Pointer(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, ":{line}"),
            Self::Pointer(pointer) => write!(f, "#{pointer}"),
        }
    }
}
