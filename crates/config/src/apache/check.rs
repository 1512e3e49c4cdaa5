//! Whether a directive is known, stands where it may, and has as many arguments as it takes; and
//! the directives that act on the reading itself.

use evenkeel_plan::check::nearest;

use super::directives::places::{
    DIRECTORY, FILES, HOSTS, IF, LIMIT, LOCATION, PROXY, SERVER, VHOST, WITHIN,
};
use super::directives::{self, Arity, Class, Row};
use super::reader::{Held, Open, Reader};
use super::{Arg, Directive, Node, Place};

impl Reader<'_> {
    /// Holds a directive, or the opening tag of a section, against its row; false when it cannot
    /// be used. `name` is as written, a section's with its bracket.
    pub(super) fn check(
        &mut self,
        row: Option<&'static Row>,
        name: &str,
        args: &[Arg],
        raw_args: &str,
        at: &Place,
    ) -> bool {
        let Some(row) = row else {
            self.unknown(name, at);
            return true;
        };
        if let Some(module) = self.missing_module(row) {
            let message = invalid(name);
            let help = Some(format!("{} has it: LoadModule {} ...", module.file, module.id));
            self.objection(at, message, help);
            return false;
        }
        if let Some(message) = self.misplaced(row) {
            self.error(at, message, allowed(row));
            return false;
        }
        if let Some(message) = miscounted(row, args, raw_args) {
            let help = match row.takes {
                "" => None,
                takes => Some(format!("write {} {takes}", row.name)),
            };
            self.error(at, message, help);
            return false;
        }
        if row.arity == Arity::Flag && args.len() > 1 {
            let text = format!("{} takes one word: what follows is ignored", told(row));
            self.warning(at, text, None);
        }
        match row.class {
            Class::Honoured | Class::Harmless(_) => {}
            Class::NotYet(why) => {
                self.warning(at, format!("{} has no effect: {why}", told(row)), None);
            }
            Class::Refused(why) => {
                self.objection(at, format!("{} is not supported: {why}", told(row)), None);
            }
        }
        true
    }

    /// The module that would have to be loaded for a directive, if it is not. Where no `LoadModule`
    /// stands, as in the file of one site, all are.
    fn missing_module(&self, row: &Row) -> Option<&'static directives::Module> {
        let loaded = self.loaded.as_ref()?;
        let is_there = |id| loaded.contains(id) || directives::BUILT_IN.contains(&id);
        directives::module_of(row).filter(|module| !is_there(module.id))
    }

    fn unknown(&mut self, name: &str, at: &Place) {
        let message = invalid(name);
        let is_section = name.starts_with('<');
        let known = directives::rows()
            .map(|row| row.name)
            .filter(|known| known.starts_with('<') == is_section);
        let help = match nearest(name, known) {
            Some(near) => {
                Some(format!("did you mean {near}{}?", if is_section { ">" } else { "" }))
            }
            None => habit(name).map(str::to_owned),
        };
        self.objection(at, message, help);
    }

    /// What is wrong with the place, if anything.
    fn misplaced(&self, row: &Row) -> Option<String> {
        let around = self.open.iter().rev().filter_map(|open| Some((open, place_of(open)?)));
        let mut innermost = true;
        for (open, place) in around {
            let is_wrong = match place {
                // A host around a section around a directive matters only to what is for the
                // whole server.
                VHOST if !innermost => row.places & HOSTS == SERVER,
                0 => return None,
                place => row.places & place == 0,
            };
            if is_wrong {
                return Some(out_of_place(row, place, &open.name));
            }
            innermost = false;
        }
        if innermost && row.places & SERVER == 0 {
            return Some(match row.places {
                VHOST => format!("{} only used in <VirtualHost>", row.name),
                _ => format!("{} not allowed here", told(row)),
            });
        }
        None
    }

    /// Does what a directive asks of the reading; whether it is done with.
    pub(super) fn executed(&mut self, directive: &Directive, place: &Place) -> bool {
        let arg = |at: usize| directive.args.get(at).map(|arg| arg.text.as_str());
        let name = arg(0).unwrap_or_default();
        match &*directive.canonical {
            "Define" if name.contains(':') => {
                self.error(place, "Variable name must not contain ':'".to_owned(), None);
            }
            "Define" => {
                let value = arg(1).map(str::to_owned);
                let defined = self.defines.entry(name.to_owned()).or_default();
                // Without a value, it keeps the one it has.
                *defined = value.or_else(|| defined.take());
            }
            "UnDefine" => drop(self.defines.remove(name)),
            "Include" => self.include(directive, false),
            "IncludeOptional" => self.include(directive, true),
            "Use" => self.use_macro(directive, place),
            "UndefMacro" => self.forget_macro(name, place),
            "Error" => {
                let message = match name {
                    "" => "The Error directive was used with no message".to_owned(),
                    _ => directive.raw_args.clone(),
                };
                self.error(&directive.at, message, None);
            }
            "ServerRoot" => {
                self.server_root = self.server_root.join(name);
                return false;
            }
            "LoadModule" => {
                self.load_module(name, place);
                return false;
            }
            "PassEnv" => self.pass_env(directive, place),
            _ => return false,
        }
        true
    }

    /// Each name becomes a line with its value, because the environment is known here.
    fn pass_env(&mut self, directive: &Directive, place: &Place) {
        for name in &directive.args {
            let Some(value) = (self.options.env)(&name.text) else {
                let text = format!("PassEnv variable {} was undefined", name.text);
                self.warning(place, text, None);
                continue;
            };
            let value = Arg { text: value, span: name.span.clone() };
            self.push(Node::Directive(Directive {
                args: vec![name.clone(), value],
                ..directive.clone()
            }));
        }
    }

    fn load_module(&mut self, id: &str, place: &Place) {
        let loaded = self.loaded.get_or_insert_default();
        if let Some(module) = directives::modules().find(|module| module.id == id) {
            loaded.insert(module.id);
            return;
        }
        let known = directives::modules().map(|module| module.id);
        let help = nearest(id, known).map(|near| format!("did you mean {near}?"));
        let message = format!(
            "module {id} is not known: its directives are not either, and what stands in \
             <IfModule {id}> is left out"
        );
        self.warning(place, message, help);
    }
}

/// Which place a section makes; 0: any, `None`: the same as what is around.
fn place_of(open: &Open) -> Option<u16> {
    let Held::Section { canonical, .. } = &open.kind else { return None };
    Some(match &**canonical {
        "VirtualHost" => VHOST,
        "Directory" | "DirectoryMatch" => DIRECTORY,
        "Location" | "LocationMatch" => LOCATION,
        "Files" | "FilesMatch" => FILES,
        "Proxy" | "ProxyMatch" => PROXY,
        "If" | "ElseIf" | "Else" => IF,
        "Limit" | "LimitExcept" => LIMIT,
        "RequireAll" | "RequireAny" | "RequireNone" => return None,
        _ => 0,
    })
}

/// How httpd names a directive: an opening tag with its closing bracket.
fn told(row: &Row) -> String {
    match row.name.starts_with('<') {
        true => format!("{}>", row.name),
        false => row.name.to_owned(),
    }
}

fn out_of_place(row: &Row, place: u16, section: &str) -> String {
    let name = told(row);
    if place == LIMIT && row.places & WITHIN != 0 {
        return format!("{name} cannot occur within <Limit> or <LimitExcept> section");
    }
    // What may stand in no section of this sort is not allowed; what may in others cannot occur.
    let alike = if place == VHOST { row.places & SERVER } else { row.places & WITHIN };
    match alike {
        0 => format!("{name} not allowed in <{section}> context"),
        _ => format!("{name} cannot occur within <{section}> section"),
    }
}

/// Where it may stand, as a help.
fn allowed(row: &Row) -> Option<String> {
    const NAMES: [(u16, &str); 8] = [
        (SERVER, "outside of all sections"),
        (VHOST, "in <VirtualHost>"),
        (DIRECTORY, "<Directory>"),
        (LOCATION, "<Location>"),
        (FILES, "<Files>"),
        (PROXY, "<Proxy>"),
        (IF, "<If>"),
        (LIMIT, "<Limit>"),
    ];
    let names = NAMES.iter().filter(|(place, _)| row.places & place != 0).map(|(_, name)| *name);
    Some(format!("it may stand {}", names.collect::<Vec<_>>().join(", ")))
}

/// What is wrong with the number of arguments, if anything.
fn miscounted(row: &Row, args: &[Arg], raw_args: &str) -> Option<String> {
    let count = args.len();
    let (fits, takes) = match row.arity {
        Arity::Raw | Arity::Braced => return too_few(row, count),
        Arity::Enclosed => (!raw_args.is_empty(), "directive requires additional arguments"),
        Arity::Nothing => (raw_args.is_empty(), "takes no arguments"),
        Arity::One => (count == 1, "takes one argument"),
        Arity::Two => (count == 2, "takes two arguments"),
        Arity::Three => (count == 3, "takes three arguments"),
        Arity::OneOrTwo => (count == 1 || count == 2, "takes 1-2 arguments"),
        Arity::OneOrThree => (count == 1 || count == 3, "takes one or three arguments"),
        Arity::TwoOrThree => (count == 2 || count == 3, "takes two or three arguments"),
        Arity::OneToThree => ((1..=3).contains(&count), "takes one, two or three arguments"),
        Arity::OneOrMore => (count >= 1, "requires at least one argument"),
        Arity::TwoOrMore => (count >= 2, "requires at least two arguments"),
        Arity::Flag => {
            let word = args.first().map_or("", |arg| arg.text.as_str());
            let known = word.eq_ignore_ascii_case("on") || word.eq_ignore_ascii_case("off");
            // What follows is passed over.
            (count >= 1 && known, "must be On or Off")
        }
    };
    (!fits).then(|| match row.takes {
        "" => format!("{} {takes}", told(row)),
        wanted if row.arity != Arity::Flag => format!("{} {takes}, {wanted}", told(row)),
        _ => format!("{} {takes}", told(row)),
    })
}

/// What is wrong with the count where arguments are read in a way of their own.
fn too_few(row: &Row, count: usize) -> Option<String> {
    const LEAST: [(&str, usize, &str); 10] = [
        ("ProxyPass", 1, "needs a path when not defined in a location"),
        ("ProxyPassMatch", 1, "needs a path when not defined in a location"),
        ("SetEnvIf", 3, "needs an attribute, a regular expression and a variable"),
        ("SetEnvIfNoCase", 3, "needs an attribute, a regular expression and a variable"),
        ("SetEnvIfExpr", 2, "needs an expression and a variable"),
        ("BrowserMatch", 2, "needs a regular expression and a variable"),
        ("BrowserMatchNoCase", 2, "needs a regular expression and a variable"),
        ("ProxyHCTemplate", 1, "needs the name of a template"),
        ("ProxyHCExpr", 2, "needs a name and an expression"),
        ("Use", 1, "needs the name of a macro"),
    ];
    let (_, least, text) = LEAST.iter().find(|(name, ..)| *name == row.name)?;
    (count < *least).then(|| format!("{} {text}", row.name))
}

/// httpd's words for a directive that it does not know.
fn invalid(name: &str) -> String {
    format!(
        "Invalid command '{name}', perhaps misspelled or defined by a module not included in the \
         server configuration"
    )
}

/// What others call it.
fn habit(name: &str) -> Option<&'static str> {
    const HABITS: [(&str, &str); 8] = [
        ("proxy_pass", "ProxyPass is what nginx calls proxy_pass"),
        ("server", "a member is a BalancerMember in <Proxy balancer://name>"),
        ("upstream", "a pool is <Proxy balancer://name>"),
        ("backend", "a pool is <Proxy balancer://name>"),
        ("location", "a path is chosen by ProxyPass, or <Location /path>"),
        ("bind", "ports are opened by Listen"),
        ("worker.list", "this is of mod_jk; write BalancerMember ajp://host:8009"),
        ("JkMount", "this is of mod_jk; write ProxyPass /path balancer://name/path"),
    ];
    HABITS.iter().find(|(habit, _)| habit.eq_ignore_ascii_case(name)).map(|(_, help)| *help)
}
