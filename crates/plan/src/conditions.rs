//! What a route asks of a request beside host, path and method, and how it divides its requests.

use crate::{Cidr, Name};

/// What a request must have; all of it. At most 30 names of each kind.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Conditions {
    /// Header fields, by lower-case name; any line of the name may fit.
    pub headers: Vec<Condition>,
    /// Cookies, by exact name; the first of the name counts.
    pub cookies: Vec<Condition>,
    /// Parameters of the query, by exact decoded name; the first of the name counts, decoded.
    pub queries: Vec<Condition>,
    /// Any of these networks holds the client (the one that trusted forwarding headers name);
    /// empty: every client.
    pub clients: Vec<Cidr>,
}

impl Conditions {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        let Conditions { headers, cookies, queries, clients } = self;
        headers.is_empty() && cookies.is_empty() && queries.is_empty() && clients.is_empty()
    }
}

/// One thing with a name, and what it must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    /// Its name.
    pub name: String,
    /// Any of these.
    pub values: Vec<ValueMatch>,
}

/// What a value must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ValueMatch {
    /// There, whatever it is.
    Present,
    /// Not there.
    Absent,
    /// Just this, with case.
    Exact(String),
    /// A regular expression, searched (not anchored) in the value; it compiles within 1 MiB.
    Regex(String),
}

/// Requests divided between pools by chance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Split {
    /// The pools and their shares; 1 to 100 of them, the weights 0 to 65535 and not all 0. A
    /// weight of 0 keeps the clients it has and gets no new ones.
    pub parts: Vec<(Name, u16)>,
    /// The same client comes to the same pool, by a cookie `split-ROUTE` that names it.
    pub sticky: bool,
}
