use super::*;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x77];
const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x50);

/// A server's message of this type to the client's last one, with an address for 120 seconds unless it has none.
fn answer(kind: u8, client: &Client, has_lease: bool) -> Vec<u8> {
    let mut bytes = Vec::from([kind]);
    bytes.extend_from_slice(&client.transaction.to_be_bytes()[1..]);
    bytes.extend_from_slice(&[0, 1, 0, 10, 0, 3, 0, 1]);
    bytes.extend_from_slice(&MAC);
    bytes.extend_from_slice(b"\0\x02\0\x03me!");
    if has_lease {
        bytes.extend_from_slice(&[0, 3, 0, 40, 0, 0, 0, 0x77, 0, 0, 0, 60, 0, 0, 0, 96, 0, 5, 0, 24]);
        bytes.extend_from_slice(&ADDRESS.octets());
        bytes.extend_from_slice(&[0, 0, 0, 120, 0, 0, 0, 120]);
    }
    bytes
}

/// The type of the one message that is due at `now`.
fn sent(client: &mut Client, now: u64) -> u8 {
    match &client.run(now, || 7)[..] {
        [Step::Send(message)] => message[0],
        other => panic!("{other:?}"),
    }
}

fn bound() -> Client {
    let mut client = Client::new(MAC);
    client.advertised(true, false, 0);
    assert_eq!(sent(&mut client, 0), Kind::Solicit as u8);
    assert_eq!(client.receive(&answer(2, &client, true), 0), []);
    assert_eq!(sent(&mut client, 0), Kind::Request as u8);
    let steps = client.receive(&answer(7, &client, true), 0);
    assert!(
        matches!(
            steps[..],
            [Step::Lease(Lease { address: ADDRESS, .. }), Step::NameServers(..)]
        ),
        "{steps:?}"
    );
    client
}

#[test]
fn an_address_is_leased_renewed_and_rebound() {
    let mut client = bound();
    assert_eq!(client.deadline(), 60 * SECOND);
    assert_eq!(sent(&mut client, 60 * SECOND), Kind::Renew as u8);
    client.receive(&answer(7, &client, true), 61 * SECOND);
    assert_eq!(client.deadline(), 121 * SECOND, "from then on");
    let mut kinds = Vec::new();
    while client.deadline() < 181 * SECOND {
        let now = client.deadline();
        kinds.push(sent(&mut client, now));
    }
    assert_eq!(kinds.first(), Some(&(Kind::Renew as u8)));
    assert_eq!(kinds.last(), Some(&(Kind::Rebind as u8)), "of any server");
    assert_eq!(sent(&mut client, 181 * SECOND), Kind::Solicit as u8, "its time is over");
}

#[test]
fn without_an_answer_the_client_goes_on_patiently() {
    let mut client = Client::new(MAC);
    client.advertised(true, false, 0);
    let mut times = Vec::new();
    for _ in 0..20 {
        times.push(client.deadline() / SECOND);
        let now = client.deadline();
        assert_eq!(sent(&mut client, now), Kind::Solicit as u8);
    }
    assert!(times[3] <= 7 && times[19] - times[18] <= 3960, "{times:?}");
    let now = client.deadline();
    assert_eq!(
        client.receive(&answer(2, &client, false), now),
        [],
        "an offer of nothing"
    );
    assert_eq!(sent(&mut client, now), Kind::Solicit as u8);
}

#[test]
fn a_server_that_falls_silent_or_has_nothing_is_left() {
    let mut client = Client::new(MAC);
    client.advertised(true, false, 0);
    sent(&mut client, 0);
    client.receive(&answer(2, &client, true), 0);
    for _ in 0..MOST_REQUESTS {
        let now = client.deadline();
        assert_eq!(sent(&mut client, now), Kind::Request as u8);
    }
    let now = client.deadline();
    assert_eq!(sent(&mut client, now), Kind::Solicit as u8);
    let mut client = bound();
    assert_eq!(sent(&mut client, 60 * SECOND), Kind::Renew as u8);
    assert_eq!(client.receive(&answer(7, &client, false), 60 * SECOND), []);
    assert_eq!(sent(&mut client, 60 * SECOND), Kind::Solicit as u8);
}

#[test]
fn name_servers_are_asked_for_alone_where_addresses_need_no_server() {
    let mut client = Client::new(MAC);
    assert_eq!(client.deadline(), NEVER);
    client.advertised(false, true, 0);
    assert_eq!(sent(&mut client, 0), Kind::InformationRequest as u8);
    assert!(matches!(
        client.receive(&answer(7, &client, false), 0)[..],
        [Step::NameServers(..)]
    ));
    assert_eq!(client.deadline(), 86_400 * SECOND);
    client.advertised(true, true, 0);
    assert_eq!(sent(&mut client, 0), Kind::Solicit as u8);
}
