//! `[tls]`: both files or neither.

use super::*;

#[test]
fn a_certificate_and_its_key_come_together() {
    assert_eq!(load("").tls, None);
    assert_eq!(load("[tls]\ncertificate = \"\"\nkey = \"\"").tls, None);
    let files = load("[tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"").tls.unwrap();
    let expected = TlsFiles { certificate: "a.pem".into(), key: "b.pem".into() };
    assert_eq!(files, expected);
    let variables = env(&[("SEGUE_TLS_CERTIFICATE", "a.pem"), ("SEGUE_TLS_KEY", "b.pem")]);
    assert_eq!(Config::load(None, &variables).unwrap().tls, Some(expected));
    refused(
        "[tls]\ncertificate = \"a.pem\"",
        &["line 2: tls.key: missing, where there is a certificate"],
    );
    refused("[tls]\nkey = \"a.pem\"", &["line 2: tls.certificate: missing, where there is a key"]);
}

#[test]
fn a_public_url_without_tls_in_front_of_it_is_warned_of() {
    let tls = "[tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"\n[server]\n";
    let warned = |url: &str| {
        let config = load(&format!("{tls}public_url = \"{url}\""));
        config.warnings.iter().any(|it| it.contains("server.public_url"))
    };
    assert!(warned("http://chat.example.com"));
    assert!(!warned("https://chat.example.com"));
}
