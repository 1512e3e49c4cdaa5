//! Proxying and balancing.

use super::Arity::{
    Braced, Flag, One, OneOrMore, OneOrTwo, OneToThree, Raw, TwoOrMore, TwoOrThree,
};
use super::Class::Honoured;
use super::places::{ANYWHERE, HOSTS, LOCATION, PROXY, SERVER};
use super::why::{EXPRESS, FORWARD, FORWARD_SETTING, HTML, HTML_SETTING, MONITOR, SCGI};
use super::{Module, module, row};

pub(super) static MODULES: &[Module] = &[
    module(
        "mod_proxy.c",
        "proxy_module",
        &[
            row("<Proxy", Raw, HOSTS, Honoured),
            row("<ProxyMatch", Raw, HOSTS, Honoured),
            row("ProxyRequests", Flag, HOSTS, Honoured),
            row("ProxyRemote", TwoOrThree, HOSTS, FORWARD),
            row("ProxyRemoteMatch", TwoOrThree, HOSTS, FORWARD),
            row("ProxyPassInterpolateEnv", Flag, ANYWHERE, Honoured),
            row("ProxyPass", Raw, HOSTS | LOCATION | PROXY, Honoured)
                .takes("[path] !|url [key=value ...] [nocanon] [interpolate] [noquery]"),
            row("ProxyPassMatch", Raw, HOSTS | LOCATION | PROXY, Honoured)
                .takes("[regex] !|url [key=value ...]"),
            row("ProxyPassReverse", OneToThree, HOSTS | LOCATION | PROXY, Honoured)
                .takes("[path] url [interpolate]"),
            row("ProxyPassReverseCookiePath", TwoOrThree, ANYWHERE, Honoured)
                .takes("internal-path public-path [interpolate]"),
            row("ProxyPassReverseCookieDomain", TwoOrThree, ANYWHERE, Honoured)
                .takes("internal-domain public-domain [interpolate]"),
            row("ProxyBlock", OneOrMore, HOSTS, Honoured).takes("*|word|host ..."),
            row("ProxyReceiveBufferSize", One, HOSTS, Honoured).takes("bytes"),
            row("ProxyIOBufferSize", One, HOSTS, Honoured).takes("bytes"),
            row("ProxyMaxForwards", One, HOSTS, Honoured).takes("number"),
            row("NoProxy", OneOrMore, HOSTS, FORWARD_SETTING),
            row("ProxyDomain", One, HOSTS, FORWARD_SETTING),
            row("ProxyVia", One, HOSTS, Honoured).takes("Off|On|Full|Block"),
            row("ProxyErrorOverride", OneOrMore, ANYWHERE, Honoured).takes("Off|On [status ...]"),
            row("ProxyPreserveHost", Flag, ANYWHERE, Honoured),
            row("ProxyTimeout", One, HOSTS, Honoured).takes("seconds"),
            row("ProxyBadHeader", One, HOSTS, Honoured).takes("IsError|Ignore|StartBody"),
            row("BalancerMember", Raw, ANYWHERE, Honoured)
                .takes("[balancer://name] url [key=value ...]"),
            row("BalancerGrowth", One, HOSTS, Honoured).takes("slots"),
            row("BalancerPersist", Flag, HOSTS, Honoured),
            row("BalancerInherit", Flag, HOSTS, Honoured),
            row("ProxyPassInherit", Flag, HOSTS, Honoured),
            row("ProxyStatus", One, HOSTS, Honoured).takes("Off|On|Full"),
            row("ProxySet", Raw, ANYWHERE, Honoured).takes("[url] key=value ..."),
            row("ProxySourceAddress", One, HOSTS, Honoured).takes("address"),
            row("ProxyAddHeaders", Flag, ANYWHERE, Honoured),
            row("Proxy100Continue", Flag, ANYWHERE, Honoured),
        ],
    ),
    module("mod_proxy_balancer.c", "proxy_balancer_module", &[]),
    module(
        "mod_proxy_hcheck.c",
        "proxy_hcheck_module",
        &[
            row("ProxyHCTemplate", Raw, ANYWHERE, Honoured).takes("name key=value ..."),
            row("ProxyHCExpr", Braced, ANYWHERE, Honoured).takes("name {expression}"),
            row("ProxyHCTPsize", One, SERVER, Honoured).takes("threads"),
        ],
    ),
    module("mod_proxy_http.c", "proxy_http_module", &[]),
    module("mod_proxy_http2.c", "proxy_http2_module", &[]),
    module("mod_proxy_ajp.c", "proxy_ajp_module", &[]),
    module(
        "mod_proxy_fcgi.c",
        "proxy_fcgi_module",
        &[
            row("ProxyFCGIBackendType", One, ANYWHERE, Honoured).takes("FPM|GENERIC"),
            row("ProxyFCGISetEnvIf", TwoOrThree, ANYWHERE, Honoured)
                .takes("condition [!]variable [value]"),
        ],
    ),
    module(
        "mod_proxy_wstunnel.c",
        "proxy_wstunnel_module",
        &[row("ProxyWebsocketFallbackToProxyHttp", Flag, ANYWHERE, Honoured)],
    ),
    module(
        "mod_proxy_express.c",
        "proxy_express_module",
        &[
            row("ProxyExpressEnable", Flag, ANYWHERE, EXPRESS),
            row("ProxyExpressDBMFile", One, ANYWHERE, EXPRESS),
            row("ProxyExpressDBMType", One, ANYWHERE, EXPRESS),
        ],
    ),
    module(
        "mod_proxy_connect.c",
        "proxy_connect_module",
        &[row("AllowCONNECT", OneOrMore, HOSTS, FORWARD_SETTING)],
    ),
    module(
        "mod_proxy_ftp.c",
        "proxy_ftp_module",
        &[
            row("ProxyFtpListOnWildcard", Flag, ANYWHERE, FORWARD_SETTING),
            row("ProxyFtpEscapeWildcards", Flag, ANYWHERE, FORWARD_SETTING),
            row("ProxyFtpDirCharset", One, ANYWHERE, FORWARD_SETTING),
        ],
    ),
    module(
        "mod_proxy_scgi.c",
        "proxy_scgi_module",
        &[
            row("ProxySCGISendfile", One, ANYWHERE, SCGI),
            row("ProxySCGIInternalRedirect", One, ANYWHERE, SCGI),
        ],
    ),
    module("mod_proxy_uwsgi.c", "proxy_uwsgi_module", &[]),
    module("mod_proxy_fdpass.c", "proxy_fdpass_module", &[]),
    module(
        "mod_proxy_html.c",
        "proxy_html_module",
        &[
            row("ProxyHTMLEvents", OneOrMore, ANYWHERE, HTML_SETTING),
            row("ProxyHTMLLinks", TwoOrMore, ANYWHERE, HTML_SETTING),
            row("ProxyHTMLURLMap", Raw, ANYWHERE, HTML_SETTING),
            row("ProxyHTMLDoctype", OneOrTwo, ANYWHERE, HTML_SETTING),
            row("ProxyHTMLFixups", OneOrMore, ANYWHERE, HTML_SETTING),
            row("ProxyHTMLMeta", Flag, ANYWHERE, HTML_SETTING),
            row("ProxyHTMLInterp", Flag, ANYWHERE, HTML_SETTING),
            row("ProxyHTMLExtended", Flag, ANYWHERE, HTML_SETTING),
            row("ProxyHTMLStripComments", Flag, ANYWHERE, HTML_SETTING),
            row("ProxyHTMLBufSize", One, ANYWHERE, HTML_SETTING),
            row("ProxyHTMLCharsetOut", One, ANYWHERE, HTML_SETTING),
            row("ProxyHTMLEnable", Flag, ANYWHERE, HTML),
        ],
    ),
    module(
        "mod_xml2enc.c",
        "xml2enc_module",
        &[
            row("xml2EncDefault", One, ANYWHERE, HTML_SETTING),
            row("xml2EncAlias", TwoOrMore, SERVER, HTML_SETTING),
            row("xml2StartParse", OneOrMore, ANYWHERE, HTML_SETTING),
        ],
    ),
    module("mod_lbmethod_byrequests.c", "lbmethod_byrequests_module", &[]),
    module("mod_lbmethod_bytraffic.c", "lbmethod_bytraffic_module", &[]),
    module("mod_lbmethod_bybusyness.c", "lbmethod_bybusyness_module", &[]),
    module(
        "mod_lbmethod_heartbeat.c",
        "lbmethod_heartbeat_module",
        &[row("HeartbeatStorage", One, SERVER, Honoured).takes("file")],
    ),
    module(
        "mod_heartmonitor.c",
        "heartmonitor_module",
        &[
            row("HeartbeatListen", One, SERVER, MONITOR),
            row("HeartbeatMaxServers", One, SERVER, MONITOR),
        ],
    ),
    module("mod_heartbeat.c", "heartbeat_module", &[row("HeartbeatAddress", One, SERVER, MONITOR)]),
    module("mod_slotmem_shm.c", "slotmem_shm_module", &[]),
    module("mod_slotmem_plain.c", "slotmem_plain_module", &[]),
];
