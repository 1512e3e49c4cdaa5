//! Expressions (`<If>`, `Require expr`, `expr=`): what they say, and whether it holds.

mod coding;
mod parse;

use std::cell::RefCell;
use std::net::IpAddr;

pub use parse::{expression, text};

use crate::network::Network;
use crate::pattern::{Groups, Pattern, shell_match};

/// A condition.
#[derive(Clone, PartialEq, Debug)]
pub enum Expr {
    /// Always, or never.
    Is(bool),
    /// Not.
    Not(Box<Expr>),
    /// Both.
    And(Box<Expr>, Box<Expr>),
    /// One of both.
    Or(Box<Expr>, Box<Expr>),
    /// The texts compare so.
    Text(Word, Order, Word),
    /// The numbers compare so.
    Number(Word, Order, Word),
    /// The pattern is found; its groups can be used further on.
    Found(Word, Pattern),
    /// One of the words is the same.
    In(Word, Vec<Word>),
    /// The address lies in the network.
    Inside(Word, Word),
    /// The shell pattern matches; in any case.
    Shell(Word, Word, bool),
    /// It is empty.
    Empty(Word),
    /// It is something else than nothing, `0`, `off`, `false`, `no`.
    True(Word),
}

/// How two things compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Equal.
    Equal,
    /// Less.
    Less,
    /// Less or equal.
    AtMost,
}

/// A text with places.
pub type Word = Vec<Part>;

/// A part of a word.
#[derive(Clone, PartialEq, Debug)]
pub enum Part {
    /// As it stands.
    Plain(Vec<u8>),
    /// `%{NAME}`.
    Variable(String),
    /// `name(word)` and `%{name:word}`.
    Function(String, Word),
    /// `$1`: what a group of the last pattern held.
    Group(usize),
}

/// Where expressions look things up.
pub trait Scene {
    /// The value of a variable; nothing when there is none.
    fn variable(&self, name: &str) -> Vec<u8>;
    /// A field of the request, its lines joined.
    fn field(&self, name: &[u8]) -> Vec<u8>;
    /// A field of the answer.
    fn answered(&self, name: &[u8]) -> Vec<u8>;
    /// A variable of the environment.
    fn environment(&self, name: &str) -> Vec<u8>;
    /// A note.
    fn note(&self, _: &str) -> Vec<u8> {
        Vec::new()
    }
    /// Whether the environment has the variable, be it empty.
    fn is_set(&self, name: &str) -> bool {
        !self.environment(name).is_empty()
    }
}

/// What is found while an expression is worked out.
struct Work<'a> {
    scene: &'a dyn Scene,
    groups: RefCell<Groups>,
}

impl Expr {
    /// Whether it holds.
    pub fn holds(&self, scene: &dyn Scene) -> bool {
        self.is_true(&Work { scene, groups: RefCell::default() })
    }

    /// What the groups of the pattern that was found last held; `None` when it does not hold.
    pub fn groups(&self, scene: &dyn Scene) -> Option<Groups> {
        let work = Work { scene, groups: RefCell::default() };
        self.is_true(&work).then(|| work.groups.into_inner())
    }

    fn is_true(&self, work: &Work<'_>) -> bool {
        match self {
            Expr::Is(value) => *value,
            Expr::Not(inner) => !inner.is_true(work),
            Expr::And(one, other) => one.is_true(work) && other.is_true(work),
            Expr::Or(one, other) => one.is_true(work) || other.is_true(work),
            Expr::Text(one, order, other) => order.holds(&work.fill(one), &work.fill(other)),
            Expr::Number(one, order, other) => {
                order.holds(&number(&work.fill(one)), &number(&work.fill(other)))
            }
            Expr::Found(word, pattern) => match pattern.groups(&work.fill(word)) {
                Some(groups) => {
                    work.groups.replace(groups);
                    true
                }
                None => false,
            },
            Expr::In(word, list) => {
                let text = work.fill(word);
                list.iter().any(|other| work.fill(other) == text)
            }
            Expr::Inside(word, network) => {
                let address = String::from_utf8_lossy(&work.fill(word)).parse::<IpAddr>().ok();
                let network = Network::read(&String::from_utf8_lossy(&work.fill(network)));
                address.zip(network).is_some_and(|(address, network)| network.contains(address))
            }
            Expr::Shell(word, pattern, any_case) => {
                let (mut text, mut pattern) = (work.fill(word), work.fill(pattern));
                if *any_case {
                    text.make_ascii_lowercase();
                    pattern.make_ascii_lowercase();
                }
                shell_match(&pattern, &text, false)
            }
            Expr::Empty(word) => work.fill(word).is_empty(),
            Expr::True(word) => {
                let text = work.fill(word).to_ascii_lowercase();
                !matches!(&text[..], b"" | b"0" | b"off" | b"false" | b"no")
            }
        }
    }
}

impl Order {
    fn holds<T: Ord + ?Sized>(self, one: &T, other: &T) -> bool {
        match self {
            Order::Equal => one == other,
            Order::Less => one < other,
            Order::AtMost => one <= other,
        }
    }
}

/// The text of a word.
pub fn filled(word: &Word, scene: &dyn Scene) -> Vec<u8> {
    Work { scene, groups: RefCell::default() }.fill(word)
}

impl Work<'_> {
    fn fill(&self, word: &Word) -> Vec<u8> {
        let mut out = Vec::new();
        for part in word {
            match part {
                Part::Plain(text) => out.extend_from_slice(text),
                Part::Variable(name) => out.extend_from_slice(&self.scene.variable(name)),
                Part::Group(n) => out.extend_from_slice(self.groups.borrow().get(*n)),
                Part::Function(name, argument) => out.extend_from_slice(&self.call(name, argument)),
            }
        }
        out
    }

    fn call(&self, name: &str, argument: &Word) -> Vec<u8> {
        let argument = self.fill(argument);
        let text = || String::from_utf8_lossy(&argument).into_owned();
        match name {
            "req" | "http" | "req_novary" => self.scene.field(&argument),
            "resp" => self.scene.answered(&argument),
            "env" | "reqenv" => self.scene.environment(&text()),
            "note" => self.scene.note(&text()),
            "hc" => self.scene.variable(&format!("HC_{}", text().to_ascii_uppercase())),
            "tolower" => argument.to_ascii_lowercase(),
            "toupper" => argument.to_ascii_uppercase(),
            "escape" => coding::escaped(&argument),
            "unescape" => coding::unescaped(&argument).unwrap_or_default(),
            "base64" => coding::base64(&argument),
            "unbase64" => coding::from_base64(&argument),
            // The parser knows no others.
            _ => Vec::new(),
        }
    }
}

fn number(text: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    let end = text.char_indices().find(|(at, c)| !(c.is_ascii_digit() || (*at == 0 && *c == '-')));
    text[..end.map_or(text.len(), |(at, _)| at)].parse().unwrap_or(0)
}
