//! Whose request it is, and how many connections it may have.

use super::*;

fn trusted(texts: &[&str]) -> TrustedProxies {
    let mut proxies = TrustedProxies::default();
    for text in texts {
        assert!(proxies.add(text), "{text}");
    }
    proxies
}

#[track_caller]
fn check(proxies: &[&str], peer: &str, lines: &[&str], client: &str) {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(&FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    let found = trusted(proxies).client(peer.parse().unwrap(), &headers);
    let expected = Client { address: client.parse().unwrap(), is_forwarded: !lines.is_empty() };
    assert_eq!(found, expected, "{lines:?}");
}

#[test]
fn nobody_but_a_trusted_proxy_is_believed() {
    check(&[], "10.0.0.1", &["203.0.113.7"], "10.0.0.1");
    check(&["10.0.0.2"], "10.0.0.1", &["203.0.113.7"], "10.0.0.1");
    check(&["10.0.0.1"], "10.0.0.1", &["203.0.113.7"], "203.0.113.7");
    check(&["10.0.0.0/8"], "10.9.8.7", &["203.0.113.7"], "203.0.113.7");
    check(&["10.0.0.1"], "10.0.0.1", &[], "10.0.0.1");
}

#[test]
fn the_rightmost_address_that_is_not_trusted_counts() {
    let proxies = ["10.0.0.0/8", "fd00::/8"];
    check(&proxies, "10.0.0.1", &["1.1.1.1, 203.0.113.7"], "203.0.113.7");
    check(&proxies, "10.0.0.1", &["1.1.1.1, 203.0.113.7,10.0.0.5 , fd00::9"], "203.0.113.7");
    // Several lines are one list.
    check(&proxies, "10.0.0.1", &["1.1.1.1", "203.0.113.7", "10.0.0.5"], "203.0.113.7");
    // What a client writes into it stands to the left of itself, and may be anything.
    check(&proxies, "10.0.0.1", &["<script>, 10.0.0.1, 203.0.113.7"], "203.0.113.7");
    // A client within the trusted network: whoever began it.
    check(&proxies, "10.0.0.1", &["10.0.0.7, 10.0.0.5"], "10.0.0.7");
}

#[test]
fn addresses_are_read_in_every_notation() {
    let proxies = ["10.0.0.1"];
    check(&proxies, "10.0.0.1", &["203.0.113.7:55123"], "203.0.113.7");
    check(&proxies, "10.0.0.1", &["2001:db8::7"], "2001:db8::7");
    check(&proxies, "10.0.0.1", &["[2001:db8::7]"], "2001:db8::7");
    check(&proxies, "10.0.0.1", &["[2001:db8::7]:443"], "2001:db8::7");
    check(&proxies, "10.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7");
}

#[test]
fn an_ipv4_address_is_the_same_however_it_is_written() {
    check(&["10.0.0.1"], "::ffff:10.0.0.1", &["203.0.113.7"], "203.0.113.7");
    check(&["::ffff:10.0.0.1"], "10.0.0.1", &["203.0.113.7"], "203.0.113.7");
    check(&["::ffff:10.0.0.0/104"], "10.0.0.1", &["203.0.113.7"], "203.0.113.7");
    check(&["10.0.0.1"], "10.0.0.1", &["203.0.113.7, ::ffff:10.0.0.1"], "203.0.113.7");
    check(&[], "::ffff:10.0.0.1", &[], "10.0.0.1");
}

#[test]
fn a_list_that_cannot_be_read_says_nothing() {
    let garbage = [
        "",
        ",",
        "unknown",
        "_hidden",
        "203.0.113.7,",
        "256.1.1.1",
        "a b",
        "\u{e4}",
        "1.1.1.1, garbage, 10.0.0.1",
        "[203.0.113.7",
        "203.0.113.7 10.0.0.1",
        "10.0.0.0/8",
    ];
    for line in garbage {
        check(&["10.0.0.1"], "10.0.0.1", &[line], "10.0.0.1");
    }
}

#[test]
fn proxies_are_addresses_and_networks_and_nothing_else() {
    for text in ["", "localhost", "10.0.0", "10.0.0.0/33", "10.0.0.1:80", "*", "::/129"] {
        assert!(!TrustedProxies::default().add(text), "{text}");
    }
}

#[test]
fn a_subscriber_is_an_ipv4_address_or_half_of_an_ipv6_one() {
    let of = |text: &str| network(text.parse().unwrap());
    assert_eq!(of("2001:db8:1:2:aaaa::1"), of("2001:db8:1:2:bbbb::2"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
}

fn a_door(trusted: TrustedProxies, connections_per_address: u64) -> Door {
    let limits = ServerLimits { connections_per_address, ..ServerLimits::default() };
    Door::new(trusted, limits, 10)
}

#[tokio::test]
async fn there_is_room_for_so_many_connections_whoever_comes() {
    let door = Arc::new(a_door(trusted(&["10.0.0.1"]), 0));
    let here: IpAddr = "10.0.0.1".parse().unwrap();
    let mut places = Vec::new();
    for _ in 0..10 {
        places.push(door.enter(here, Some(door.room().await)).unwrap());
    }
    assert_eq!(door.connections(), (10, 10));
    let waits = tokio::spawn({
        let door = Arc::clone(&door);
        async move { door.room().await }
    });
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    places.pop();
    let room = waits.await.unwrap();
    assert_eq!(door.connections(), (10, 10));
    drop((room, places));
    assert_eq!(door.connections(), (0, 10));
}

#[test]
fn an_address_has_so_many_places_and_gets_back_what_it_leaves() {
    let door = Arc::new(a_door(TrustedProxies::default(), 2));
    let here: IpAddr = "10.0.0.1".parse().unwrap();
    let first = door.enter(here, None).unwrap();
    let _second = door.enter("::ffff:10.0.0.1".parse().unwrap(), None).unwrap();
    assert!(door.enter(here, None).is_none());
    assert!(door.enter("10.0.0.2".parse().unwrap(), None).is_some());
    drop(first);
    let again = door.enter(here, None);
    assert!(again.is_some() && door.enter(here, None).is_none());
    let any = Arc::new(a_door(TrustedProxies::default(), 0));
    let places: Vec<_> = (0..1_000).map(|_| any.enter(here, None).unwrap()).collect();
    drop(places);
    assert!(any.open.lock().is_empty());
}

#[test]
fn behind_a_trusted_proxy_its_clients_are_counted_and_not_the_proxy() {
    let door = Arc::new(a_door(trusted(&["10.0.0.1"]), 1));
    let proxy: IpAddr = "10.0.0.1".parse().unwrap();
    let _connections = [door.enter(proxy, None).unwrap(), door.enter(proxy, None).unwrap()];
    let client = |text: &str| Client { address: text.parse().unwrap(), is_forwarded: true };
    let socket = door.enter_behind(proxy, client("203.0.113.7"));
    assert!(socket.is_some());
    assert!(door.enter_behind(proxy, client("203.0.113.7")).is_none());
    assert!(door.enter_behind(proxy, client("203.0.113.8")).is_some());
    // Who came without a proxy was counted when it came.
    let direct: IpAddr = "203.0.113.9".parse().unwrap();
    let _connection = door.enter(direct, None).unwrap();
    assert!(door.enter_behind(direct, client("203.0.113.9")).is_some());
}
