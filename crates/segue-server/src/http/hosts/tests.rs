//! Which hosts, origins and apps match what is registered.

use proptest::prelude::*;

use super::*;

fn registered(domains: &[&str], apps: &[&str]) -> Hosts {
    let mut hosts: Vec<Host> = domains.iter().map(|text| Host::domain(text).unwrap()).collect();
    hosts.extend(apps.iter().map(|text| Host::app(text).unwrap()));
    Hosts::new(hosts)
}

/// What is registered, what is accepted for it, and what is refused.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "yourcompany.com",
        &[
            "yourcompany.com",
            "YourCompany.COM",
            "yourcompany.com.",
            "yourcompany.com/",
            "https://yourcompany.com",
            "HTTPS://yourcompany.com/some/page?a=b#c",
            "https://app.yourcompany.com/",
            "a.b.c.yourcompany.com",
            "app.yourcompany.com:8443",
            "yourcompany.com?next=https://evil.com",
            " yourcompany.com\t",
            "yourcompany.com:",
            "yourcompany。com",
            "ｙourcompany.com",
            "capacitor://yourcompany.com",
        ],
        &[
            "",
            "com",
            ".",
            "evilyourcompany.com",
            "yourcompany.com.evil.com",
            "yourcompany.company",
            "yourcompany.co",
            "your.company.com",
            "https://evil.com/yourcompany.com",
            "https://evil.com?.yourcompany.com",
            "https://evil.com#.yourcompany.com",
            "https://evil.com\\.yourcompany.com",
            "https://evil.com:80.yourcompany.com",
            "https://yourcompany.com@evil.com",
            "https://evil.com@yourcompany.com",
            "yourcompany.com..",
            "app..yourcompany.com",
            ".yourcompany.com",
            "yourcompany.com evil.com",
            "evil.com\u{0}.yourcompany.com",
            "evil.com%2eyourcompany.com",
            "yourcompany.com:99999",
            "yourcompany.com:+80",
            "yourcompany.com:80:80",
            "//yourcompany.com",
            "://yourcompany.com",
            "1://yourcompany.com",
            "null",
        ],
    ),
    (
        "https://app.yourcompany.com/chat",
        &["app.yourcompany.com", "http://app.yourcompany.com", "x.app.yourcompany.com:1"],
        &["yourcompany.com", "com", "www.yourcompany.com", "xapp.yourcompany.com"],
    ),
    (
        "example.com:8443",
        &["example.com:8443", "https://www.example.com:8443/"],
        &["example.com", "https://example.com", "example.com:443", "example.com:08444"],
    ),
    (
        "example.com:443",
        &["https://example.com", "wss://a.example.com", "http://example.com:443"],
        &["http://example.com", "example.com", "https://example.com:444"],
    ),
    ("https://example.com", &["http://example.com", "https://example.com:444"], &["org"]),
    (
        "bücher.example",
        &["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "https://a.bücher.example"],
        &["bucher.example", "xn--bcher-kvb.example", "example", "xn--.example"],
    ),
    ("localhost", &["localhost", "http://localhost:3000", "app.localhost"], &["notlocalhost"]),
    (
        "127.0.0.1",
        &["127.0.0.1", "http://127.0.0.1:5173/", "127.0.0.1."],
        &["1.127.0.0.1", "127.1", "0x7f.0.0.1", "2130706433", "127.0.0.1.evil.com", "0.0.1"],
    ),
    (
        "[::1]",
        &["[::1]", "http://[::1]:8080/", "[0:0:0:0:0:0:0:1]"],
        &["::1", "[::2]", "[::1]x", "[::1", "x[::1]", "a.[::1]", "[::ffff:127.0.0.1]", "[::1%1]"],
    ),
    (
        "[2001:DB8::1]:81",
        &["http://[2001:db8:0::1]:81"],
        &["http://[2001:db8::1]", "[2001:db8::1]"],
    ),
];

#[test]
fn an_x_host_is_accepted_where_it_is_the_registered_host_or_below_it() {
    for (domain, accepted, refused) in CASES {
        let hosts = registered(&[domain], &[]);
        for x_host in *accepted {
            assert!(hosts.accept_host(x_host), "{domain} should accept {x_host:?}");
        }
        for x_host in *refused {
            assert!(!hosts.accept_host(x_host), "{domain} should refuse {x_host:?}");
        }
    }
}

#[test]
fn an_origin_is_a_url_and_matches_hosts_only() {
    let hosts = registered(&["yourcompany.com"], &["com.yourcompany.app"]);
    for origin in ["https://yourcompany.com", "http://app.yourcompany.com:3000"] {
        assert!(hosts.accept_origin(origin), "{origin}");
    }
    for origin in [
        "",
        "null",
        "yourcompany.com",
        "https://evilyourcompany.com",
        "https://com",
        "com.yourcompany.app",
        "https://com.yourcompany.app",
        "file://",
        "https://yourcompany.com https://evil.com",
        " https://yourcompany.com",
    ] {
        assert!(!hosts.accept_origin(origin), "{origin:?}");
    }
}

#[test]
fn the_null_origin_matches_only_where_it_is_registered() {
    let hosts = registered(&["null"], &[]);
    assert!(hosts.accept_origin("null"));
    assert!(hosts.accept_host("null"));
    for other in ["http://null", "a.null", "NULL", "null.", "localhost", ""] {
        assert!(!hosts.accept_origin(other), "{other}");
        assert!(!hosts.accept_host(other), "{other}");
    }
}

#[test]
fn an_app_matches_exactly() {
    let hosts = registered(&[], &["com.yourcompany.app", "com.your-company.my_app"]);
    assert!(hosts.accept_host("com.yourcompany.app"));
    assert!(hosts.accept_host("com.your-company.my_app"));
    for other in [
        "com.yourcompany",
        "com.yourcompany.App",
        "com.yourcompany.app.",
        "com.yourcompany.app/",
        "x.com.yourcompany.app",
        "com.yourcompany.app.x",
        "https://com.yourcompany.app",
    ] {
        assert!(!hosts.accept_host(other), "{other}");
    }
}

#[test]
fn one_of_several_is_enough_and_nothing_matches_nothing() {
    let hosts = registered(&["a.example", "b.example"], &["org.example"]);
    for x_host in ["a.example", "x.b.example", "org.example"] {
        assert!(hosts.accept_host(x_host), "{x_host}");
    }
    assert!(!hosts.is_empty());
    assert!(Hosts::default().is_empty());
    assert!(!Hosts::default().accept_host("a.example"));
    assert!(!Hosts::default().accept_origin("https://a.example"));
    assert!(!Hosts::default().accept_origin("null"));
}

#[test]
fn what_cannot_be_registered_is_refused_with_its_reason() {
    for (text, error) in [
        ("", HostError::NoHost),
        ("https://", HostError::NoHost),
        ("https:///path", HostError::NoHost),
        ("exa mple.com", HostError::NoHost),
        ("example..com", HostError::NoHost),
        ("exam^ple.com", HostError::NoHost),
        ("1.2.3", HostError::NoHost),
        ("1.2.3.256", HostError::NoHost),
        ("xn--a.com", HostError::NoHost),
        ("[fe80::1%eth0]", HostError::NoHost),
        ("*.example.com", HostError::Wildcard),
        ("user:secret@example.com", HostError::Credentials),
        ("::1", HostError::NoPort),
        ("example.com:http", HostError::NoPort),
        ("example.com:65536", HostError::NoPort),
    ] {
        assert_eq!(Host::domain(text), Err(error), "{text:?}");
    }
    let long_label = format!("{}.com", "a".repeat(64));
    let long_name = format!("{}com", "a.".repeat(126));
    let long_text = format!("example.com/{}", "a".repeat(HOST_BYTES_MAX));
    for text in [long_label, long_name, long_text] {
        assert_eq!(Host::domain(&text), Err(HostError::NoHost), "{text}");
    }
    for text in ["", ".", "com..app", "com.my app", "com/app", "com.app:80", "com.äpp"] {
        assert_eq!(Host::app(text), Err(HostError::NoApp), "{text:?}");
    }
}

#[test]
fn a_registered_host_prints_as_it_is_compared() {
    for (text, printed) in [
        ("https://Bücher.example/", "xn--bcher-kva.example"),
        ("Example.com.:3000", "example.com:3000"),
        ("https://example.com", "example.com"),
        ("[0:0::1]:80", "[::1]:80"),
        ("127.0.0.1", "127.0.0.1"),
        ("null", "null"),
    ] {
        assert_eq!(Host::domain(text).unwrap().to_string(), printed);
    }
    assert_eq!(Host::app("com.Example.app").unwrap().to_string(), "com.Example.app");
}

/// Names that stand for themselves: no part is a number, none begins with `xn--`.
fn name() -> impl Strategy<Value = String> {
    // "a.er" is a suffix that many share, as a few random names are.
    (proptest::collection::vec("[a-z][a-z0-9]{0,10}", 2..5).prop_map(|parts| parts.join(".")))
        .prop_filter("can be registered", |it| Host::domain(it).is_ok())
}

proptest! {
    #[test]
    fn any_text_is_accepted_or_refused_without_a_panic(text in any::<String>()) {
        let hosts = registered(&["yourcompany.com", "[::1]:80", "null"], &["com.app"]);
        hosts.accept_host(&text);
        hosts.accept_origin(&text);
        if let Ok(host) = Host::domain(&text) {
            // What it prints is the same host again.
            prop_assert_eq!(Host::domain(&host.to_string()).map(|h| h.to_string()), Ok(host.to_string()));
        }
        let _ = Host::app(&text);
    }

    #[test]
    fn any_text_that_looks_like_a_url_is_accepted_or_refused_without_a_panic(
        text in r"([a-z]{0,5}:?//?)?[a-z0-9.:@\[\]%\\/?#ß。-]{0,40}",
    ) {
        let hosts = registered(&["yourcompany.com", "[::1]:80"], &[]);
        hosts.accept_host(&text);
        hosts.accept_origin(&text);
        let _ = Host::domain(&text);
    }

    #[test]
    fn a_subdomain_is_accepted_and_a_parent_never(own in name(), below in "[a-z][a-z0-9]{0,8}") {
        let hosts = registered(&[&own], &[]);
        let sub = format!("https://{below}.{own}");
        prop_assert!(hosts.accept_host(&own));
        prop_assert!(hosts.accept_origin(&sub));
        let mut parent = own.as_str();
        while let Some((_, rest)) = parent.split_once('.') {
            parent = rest;
            // `a.a` is below its own parent's name only if it is that name.
            prop_assert!(!hosts.accept_host(parent), "{} accepted {}", own, parent);
        }
    }

    #[test]
    fn an_evil_prefix_or_suffix_is_never_accepted(own in name(), evil in "[a-z0-9-]{1,8}") {
        let hosts = registered(&[&own], &[]);
        let glued = format!("{evil}{own}");
        let hung_on = format!("{own}.{evil}");
        let run_on = format!("{own}{evil}");
        for other in [&glued, &hung_on, &run_on] {
            prop_assert!(!hosts.accept_host(other), "{} accepted {}", own, other);
            let origin = format!("https://{other}");
            prop_assert!(!hosts.accept_origin(&origin), "{} accepted {}", own, origin);
        }
    }
}

#[test]
fn an_asterisk_of_any_script_is_no_host() {
    assert_eq!(Host::domain("*.example.com"), Err(HostError::Wildcard));
    for text in ["﹡0", "＊.example.com"] {
        assert_eq!(Host::domain(text), Err(HostError::NoHost), "{text}");
    }
}

#[test]
fn what_many_share_cannot_be_registered() {
    for text in ["com", "co.uk", "github.io", "https://CO.UK./", "xn--p1ai", "рф", "kawasaki.jp"]
    {
        assert_eq!(Host::domain(text), Err(HostError::PublicSuffix), "{text}");
    }
    for text in ["example.com", "shop.co.uk", "me.github.io", "localhost", "intranet", "10.0.0.1"] {
        assert!(Host::domain(text).is_ok(), "{text}");
    }
}
