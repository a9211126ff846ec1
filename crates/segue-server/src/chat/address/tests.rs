use super::*;

fn base(text: &str) -> String {
    Address::parse(text).unwrap().to_string()
}

#[test]
fn what_people_type_is_completed() {
    for (typed, meant) in [
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("localhost:8080", "http://localhost:8080"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("chat.example.com", "https://chat.example.com"),
        ("chat.example.com:8443/talk/", "https://chat.example.com:8443/talk"),
        (" HTTPS://Chat.Example.com ", "https://chat.example.com"),
        ("ws://10.0.0.1:81", "http://10.0.0.1:81"),
        ("wss://chat.example.com", "https://chat.example.com"),
        ("https://me:word@chat.example.com/?a=b#c", "https://chat.example.com"),
    ] {
        assert_eq!(base(typed), meant, "{typed}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    assert_eq!(Address::parse("ftp://x"), Err(BadAddress::Scheme("ftp".to_owned())));
    for text in ["", "http://", "a b", "http://[::1"] {
        assert_eq!(Address::parse(text), Err(BadAddress::Unreadable(text.to_owned())), "{text}");
    }
}

#[test]
fn everything_lies_below_the_base() {
    let address = Address::parse("https://example.com/talk/").unwrap();
    assert_eq!(address.at("/demo.json").as_str(), "https://example.com/talk/demo.json");
    assert_eq!(address.socket("s-1", 0).as_str(), "wss://example.com/talk/ws?session_id=s-1");
    let address = Address::parse("localhost:8080").unwrap();
    let socket = address.socket("a&b", 17);
    assert_eq!(socket.as_str(), "ws://localhost:8080/ws?session_id=a%26b&cursor=17");
}

#[test]
fn tcp_is_told_host_and_port() {
    let target = |text: &str| Address::parse(text).unwrap().host_and_port();
    assert_eq!(target("https://example.com"), "example.com:443");
    assert_eq!(target("http://example.com"), "example.com:80");
    assert_eq!(target("[::1]:8080"), "[::1]:8080");
}
