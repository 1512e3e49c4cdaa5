//! Text with places: `{client}`, `{host}`… in header values and redirects. Compiled once per plan.

/// What may stand in a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The client's address.
    Client,
    /// The host as asked for, with its port if any.
    Host,
    /// The same in lower case without port; stands in no text of a configuration.
    HostName,
    /// `http` or `https`.
    Scheme,
    /// The path as sent by the client.
    Path,
    /// The query with its `?`, or nothing.
    Query,
    /// The request id.
    RequestId,
    /// The member's address (answers only).
    Member,
}

impl Place {
    const ALL: [(&'static str, Place); 7] = [
        ("client", Place::Client),
        ("host", Place::Host),
        ("scheme", Place::Scheme),
        ("path", Place::Path),
        ("query", Place::Query),
        ("request_id", Place::RequestId),
        ("member", Place::Member),
    ];
}

/// A compiled text.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(Box<str>),
    Place(Place),
}

impl Template {
    /// Compiles. Braces that enclose no known place stay as they are; the configuration door has
    /// complained about them already.
    pub fn compile(text: &str) -> Template {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, at) = rest.split_at(open);
            plain.push_str(before);
            let known = Place::ALL.iter().find_map(|(name, place)| {
                let after = at.strip_prefix('{')?.strip_prefix(name)?.strip_prefix('}')?;
                Some((*place, after))
            });
            rest = match known {
                Some((place, after)) => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
                    }
                    pieces.push(Piece::Place(place));
                    after
                }
                None => {
                    plain.push('{');
                    &at[1..]
                }
            };
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        Template { pieces: pieces.into() }
    }

    /// The same request by `https` at a port.
    pub(crate) fn to_https(port: u16) -> Template {
        let mut pieces = vec![Piece::Text("https://".into()), Piece::Place(Place::HostName)];
        if port != 443 {
            pieces.push(Piece::Text(format!(":{port}").into()));
        }
        pieces.extend([Piece::Place(Place::Path), Piece::Place(Place::Query)]);
        Template { pieces: pieces.into() }
    }

    /// Writes the text with its places filled by `fill`.
    pub fn write(&self, out: &mut Vec<u8>, fill: &dyn Fn(Place, &mut Vec<u8>)) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Place(place) => fill(*place, out),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_other_braces_stay() {
        let template = Template::compile("a{client}{host}b{nonsense}{");
        let mut out = Vec::new();
        template.write(&mut out, &|place, out| {
            out.extend_from_slice(format!("<{place:?}>").as_bytes())
        });
        assert_eq!(out, b"a<Client><Host>b{nonsense}{");
    }
}
