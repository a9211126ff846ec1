//! What one address uses up, and what it does not.

use std::net::Ipv4Addr;

use super::*;

#[test]
fn more_addresses_than_can_be_told_apart_share_one_rate_until_some_are_forgotten() {
    let rates = HandshakeRates::default();
    let limits = Limits { handshakes_per_second: 1, handshakes_burst: 2, ..Limits::default() };
    let ask = |now, number: usize| {
        let address = Ipv4Addr::from(u32::try_from(number).unwrap());
        rates.take(now, address.into(), None, &limits).is_ok()
    };
    let now = 1_000_000;
    assert!((0..limits::HANDSHAKE_ADDRESSES_MAX).all(|it| ask(now, it)));
    let further = limits::HANDSHAKE_ADDRESSES_MAX..limits::HANDSHAKE_ADDRESSES_MAX + 10;
    assert_eq!(further.clone().filter(|it| ask(now, *it)).count(), 2);
    // Those that were told apart still are.
    assert!(ask(now, 7) && !ask(now, 7));
    // Who has asked for nothing for a while can be forgotten, and there is room for others.
    let later = now + 2_000 + limits::HANDSHAKE_ADDRESSES_PURGE_MS;
    assert_eq!(further.filter(|it| ask(later, *it)).count(), 10);
    assert!(rates.0.lock().addresses.len() < 20);
}

#[test]
fn a_rate_that_is_changed_holds_from_now_on() {
    let rates = HandshakeRates::default();
    let mut limits = Limits { handshakes_per_second: 1, handshakes_burst: 1, ..Limits::default() };
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert!(rates.take(1_000, here, None, &limits).is_ok());
    assert!(rates.take(1_000, here, None, &limits).is_err());
    limits.handshakes_burst = 3;
    assert!((0..3).all(|_| rates.take(1_000, here, None, &limits).is_ok()));
}
