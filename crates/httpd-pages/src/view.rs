//! What the pages show: balancers and members as httpd knows them, plain data.

/// Everything the pages show. Texts may hold anything: they are escaped when written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// The name of the server in headings: what the request named, without a port.
    pub server: String,
    /// Name and version of the software.
    pub version: String,
    /// When it was built, as a text.
    pub built: String,
    /// Whether changes outlive a restart (`BalancerPersist`).
    pub persist: bool,
    /// `BalancerInherit`; httpd's default is true.
    pub inherit: bool,
    /// `ProxyPassInherit`; httpd's default is true.
    pub pass_inherit: bool,
    /// The names a balancer's method may take, in the order of the form.
    pub methods: Vec<String>,
    /// The named conditions for health checks (`ProxyHCExpr`). `None`: this server knows no health
    /// checks, and their columns and fields are left out.
    pub expressions: Option<Vec<Expression>>,
    /// What a health check may ask, in the order of the form ([`HealthMethod::ALL`] as a whole).
    pub check_methods: Vec<HealthMethod>,
    /// The balancers, in the order of the configuration.
    pub balancers: Vec<BalancerView>,
    /// What the server has done so far; only for the status page, which leaves out what is missing.
    pub totals: Option<Totals>,
}

/// A named condition of a health check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expression {
    /// Its name: at most 15 bytes to be chosen in a form.
    pub name: String,
    /// What must hold.
    pub text: String,
}

/// One balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalancerView {
    /// The name behind `balancer://`, in lower case.
    pub name: String,
    /// The id in brackets after the name.
    pub hash: String,
    /// What a form must bring to change anything. Empty: nothing can be changed.
    pub nonce: String,
    /// The session's names; `None` without stickiness.
    pub sticky: Option<Sticky>,
    /// `nofailover`: an unusable route is an error.
    pub no_failover: bool,
    /// `scolonpathdelim`: a semicolon ends the session in a path.
    pub scolon: bool,
    /// How long a request waits for a usable member, in seconds; 0: it does not.
    pub timeout_s: u32,
    /// Attempts after the first; `None` if never set and there is one member.
    pub max_attempts: Option<u32>,
    /// `lbmethod`.
    pub method: String,
    /// The host that `ProxyPass` was given for; usually empty.
    pub host: String,
    /// The path that `ProxyPass` was given for; may be empty.
    pub path: String,
    /// Whether it is in use.
    pub active: bool,
    /// Members it has room for.
    pub growth_max: usize,
    /// Places taken; no form for a new member is shown when this is all.
    pub growth_used: usize,
    /// The members, in the order of the configuration.
    pub members: Vec<MemberView>,
}

/// What a session is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sticky {
    /// The name of the cookie.
    pub cookie: String,
    /// The name of the path parameter; mostly the same.
    pub parameter: String,
}

/// One member of a balancer: httpd's worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberView {
    /// Its URL in normal form ([`MemberUrl::name`](crate::MemberUrl)), which is its identity within
    /// the balancer: scheme and host in lower case, no default port.
    pub url: String,
    /// The path of its socket, if it has one.
    pub socket: Option<String>,
    /// The scheme.
    pub scheme: String,
    /// The host.
    pub host: String,
    /// The port, also if it is the default.
    pub port: u16,
    /// The session route; may be empty.
    pub route: String,
    /// The route to use instead; may be empty.
    pub redirect: String,
    /// `loadfactor` in hundredths, 100 to 10,000.
    pub factor: u32,
    /// `lbset`, 0 to 99.
    pub set: u32,
    /// How it is and what was ordered.
    pub flags: Flags,
    /// Whether it may get requests.
    pub usable: bool,
    /// Requests it got.
    pub elected: u64,
    /// Requests it has now.
    pub busy: u64,
    /// `lbstatus`: what the method counts.
    pub load: i64,
    /// Bytes sent to it.
    pub to: u64,
    /// Bytes received from it.
    pub from: u64,
    /// Attempts to use it since it failed.
    pub retries: u32,
    /// When it failed, in seconds since 1970; `None` if it has not.
    pub error_time: Option<u64>,
    /// Its health check; `None` is shown as no check.
    pub hc: Option<HealthView>,
    /// `min`: connections kept.
    pub min: u32,
    /// `smax`.
    pub smax: u32,
    /// `max`.
    pub max: u32,
    /// `ttl` in seconds, 0 for none.
    pub ttl_s: u64,
    /// `timeout` in seconds, if set.
    pub timeout_s: Option<u64>,
    /// `acquire` in milliseconds, if set.
    pub acquire_ms: Option<u64>,
    /// `receivebuffersize`, if set.
    pub receive_buffer: Option<u64>,
    /// `iobuffersize`, if set.
    pub io_buffer: Option<u64>,
    /// `keepalive`, if set.
    pub keepalive: Option<bool>,
    /// `disablereuse`, if set.
    pub disable_reuse: Option<bool>,
    /// `connectiontimeout` in milliseconds, if set.
    pub connect_timeout_ms: Option<u64>,
    /// `retry` in seconds, if set.
    pub retry_s: Option<u64>,
    /// `flushpackets`; shown for AJP.
    pub flush: Flush,
    /// `ping` in milliseconds, if set; shown for AJP.
    pub ping_ms: Option<u64>,
}

/// When what an AJP member sends is passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flush {
    /// When a buffer is full.
    #[default]
    Off,
    /// At once.
    On,
    /// When nothing came for that many milliseconds.
    Auto(u32),
}

/// The active health check of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthView {
    /// What is asked.
    pub method: HealthMethod,
    /// Time between checks in milliseconds.
    pub interval_ms: u64,
    /// Successes in a row that make it usable.
    pub passes: u32,
    /// Successes in a row so far.
    pub passes_now: u32,
    /// Failures in a row that make it unusable.
    pub fails: u32,
    /// Failures in a row so far.
    pub fails_now: u32,
    /// The path that is asked for; may be empty.
    pub uri: String,
    /// The name of the condition for an answer; may be empty.
    pub expr: String,
}

impl Default for HealthView {
    /// httpd's defaults: no check; every 30 seconds, once up and once down if there were one.
    fn default() -> HealthView {
        HealthView {
            method: HealthMethod::None,
            interval_ms: 30_000,
            passes: 1,
            passes_now: 0,
            fails: 1,
            fails_now: 0,
            uri: String::new(),
            expr: String::new(),
        }
    }
}

/// `hcmethod`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthMethod {
    /// No check.
    #[default]
    None,
    /// A connection is enough.
    Tcp,
    /// `OPTIONS`, HTTP/1.0.
    Options,
    /// `HEAD`, HTTP/1.0.
    Head,
    /// `GET`, HTTP/1.0.
    Get,
    /// A ping of the AJP protocol.
    Cping,
    /// `OPTIONS`, HTTP/1.1.
    Options11,
    /// `HEAD`, HTTP/1.1.
    Head11,
    /// `GET`, HTTP/1.1.
    Get11,
}

impl HealthMethod {
    /// All of them in the order of the form.
    pub const ALL: [HealthMethod; 9] = [
        HealthMethod::None,
        HealthMethod::Tcp,
        HealthMethod::Options,
        HealthMethod::Head,
        HealthMethod::Get,
        HealthMethod::Cping,
        HealthMethod::Options11,
        HealthMethod::Head11,
        HealthMethod::Get11,
    ];

    /// httpd's name for it.
    pub fn name(self) -> &'static str {
        match self {
            HealthMethod::None => "NONE",
            HealthMethod::Tcp => "TCP",
            HealthMethod::Options => "OPTIONS",
            HealthMethod::Head => "HEAD",
            HealthMethod::Get => "GET",
            HealthMethod::Cping => "CPING",
            HealthMethod::Options11 => "OPTIONS11",
            HealthMethod::Head11 => "HEAD11",
            HealthMethod::Get11 => "GET11",
        }
    }

    /// Whether an answer is looked at, so that a condition has a meaning.
    pub(crate) fn has_answer(self) -> bool {
        !matches!(self, HealthMethod::None | HealthMethod::Tcp | HealthMethod::Cping)
    }
}

/// One word of a member's status, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// `Init`: set for every member that httpd has started to use.
    Initialized,
    /// `Ign`: failures are not held against it.
    IgnoreErrors,
    /// `Drn`: only requests of sessions that are bound to it.
    Drain,
    /// `Gen`: stands for all other servers; never part of a balancer.
    Generic,
    /// `Shut`: ends with the process.
    Shutdown,
    /// `Dis`: no requests.
    Disabled,
    /// `Stop`: no requests, no checks.
    Stopped,
    /// `Err`: it failed.
    Error,
    /// `Stby`: only when nothing else is usable.
    Standby,
    /// `Spar`: stands in for one unusable member.
    Spare,
    /// `Free`: not in use.
    Free,
    /// `HcFl`: its health check failed.
    HealthFailed,
}

impl Flag {
    const SHOWN: [(Flag, &'static str); 12] = [
        (Flag::Initialized, "Init "),
        (Flag::IgnoreErrors, "Ign "),
        (Flag::Drain, "Drn "),
        (Flag::Generic, "Gen "),
        (Flag::Shutdown, "Shut "),
        (Flag::Disabled, "Dis "),
        (Flag::Stopped, "Stop "),
        (Flag::Error, "Err "),
        (Flag::Standby, "Stby "),
        (Flag::Spare, "Spar "),
        (Flag::Free, "Free "),
        (Flag::HealthFailed, "HcFl "),
    ];
}

/// A set of [`Flag`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// None of them.
    pub const EMPTY: Flags = Flags(0);

    /// With that flag too.
    #[must_use]
    pub const fn with(self, flag: Flag) -> Flags {
        Flags(self.0 | 1 << flag as u16)
    }

    /// Without that flag.
    #[must_use]
    pub const fn without(self, flag: Flag) -> Flags {
        Flags(self.0 & !(1 << flag as u16))
    }

    /// Whether that flag is in it.
    pub const fn has(self, flag: Flag) -> bool {
        self.0 & 1 << flag as u16 != 0
    }
}

impl FromIterator<Flag> for Flags {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Flags {
        flags.into_iter().fold(Flags::EMPTY, Flags::with)
    }
}

impl MemberView {
    /// The status as httpd writes it: every word ends with a blank.
    pub(crate) fn status(&self) -> String {
        let shown = Flag::SHOWN.iter().filter(|(flag, _)| self.flags.has(*flag));
        let words = shown.map(|(_, word)| *word);
        words.chain(self.usable.then_some("Ok ")).collect()
    }

    /// What a reader sees: the URL, with the socket in front.
    pub fn shown_name(&self) -> String {
        match &self.socket {
            Some(path) => format!("unix:{path}|{}", self.url),
            None => self.url.clone(),
        }
    }
}

impl BalancerView {
    /// Members that can still be added.
    pub(crate) fn free(&self) -> usize {
        self.growth_max.saturating_sub(self.growth_used)
    }
}

/// What the server has done since it started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// The time now, in seconds since 1970.
    pub now: u64,
    /// When it started, in seconds since 1970.
    pub started: u64,
    /// Reloads so far, the start included.
    pub generation: u64,
    /// The machine's load over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// Requests answered.
    pub accesses: u64,
    /// Bytes sent to clients.
    pub bytes: u64,
    /// The time all requests took together, in milliseconds.
    pub duration_ms: u64,
    /// Requests under way.
    pub busy: u64,
    /// Threads that could take a request; 0 where the word has no meaning.
    pub idle: u64,
    /// Client connections open.
    pub connections: u64,
}
