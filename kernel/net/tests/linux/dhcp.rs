use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::Blocking;
use crate::tap::{Guest, in_namespace, run};

pub struct Server(Child);

impl Server {
    pub fn start(options: &[&str]) -> Self {
        let child = Command::new("dnsmasq")
            // It neither goes to the background nor gives rights up, which only root can.
            .args(["--no-daemon", "--conf-file=/dev/null", "--port=0"])
            .args(["--interface=tap0", "--bind-interfaces"])
            .args(["--dhcp-authoritative", "--log-dhcp", "--no-ping"])
            .args(["--leasefile-ro", "--pid-file="])
            .args(options)
            .stderr(Stdio::inherit())
            .spawn()
            .expect("dnsmasq-base is installed");
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn dnsmasq_leases_an_address() {
    in_namespace("dhcp::dnsmasq_leases_an_address", || {
        let guest = Guest::unconfigured("web-1");
        let _server = Server::start(&[
            "--dhcp-range=10.77.0.50,10.77.0.50,255.255.255.0,2m",
            "--dhcp-option=option:dns-server,10.77.0.3,10.77.0.4",
            "--dhcp-option=option:router,10.77.0.1",
            "--dhcp-option=option:mtu,1400",
            "--domain=example.test",
        ]);
        let event = guest.wait_for_event("Configured");
        for expected in [
            "10.77.0.50",
            "prefix_length: 24",
            "gateway: Some(10.77.0.1)",
            "[10.77.0.3, 10.77.0.4]",
            "example.test",
            "web-1",
        ] {
            assert!(event.contains(expected), "{expected} is missing in {event}");
        }
        let listener = Blocking::listen(&guest.stack, 8080);
        let server = std::thread::spawn(move || {
            let connection = listener.accept().expect("a listener accepts");
            connection.receive(&mut [0; 2048]).expect("curl asks");
            connection
                .send_all(b"HTTP/1.0 200 OK\r\n\r\nleased")
                .expect("curl reads");
            connection.close();
        });
        assert_eq!(run("curl -sS --max-time 5 http://10.77.0.50:8080/"), "leased");
        server.join().expect("the server ends well");
    });
}

#[test]
fn what_comes_before_the_address_is_answered_with_it() {
    in_namespace("dhcp::what_comes_before_the_address_is_answered_with_it", || {
        let guest = Guest::unconfigured("web-3");
        let _listener = Blocking::listen(&guest.stack, 8080);
        // Linux knows the guest's hardware address already, as a router does that has heard it.
        run("ip neigh add 10.77.0.50 lladdr 02:00:00:00:00:77 dev tap0");
        let client = std::thread::spawn(|| {
            let started = std::time::Instant::now();
            std::net::TcpStream::connect(("10.77.0.50", 8080)).expect("the guest listens");
            started.elapsed()
        });
        std::thread::sleep(Duration::from_millis(100));
        let _server = Server::start(&["--dhcp-range=10.77.0.50,10.77.0.50,255.255.255.0,2m"]);
        guest.wait_for_event("Configured");
        // Linux would send its SYN again after one second.
        let configured = client.join().expect("the client ends well");
        assert!(configured < Duration::from_millis(950), "{configured:?}");
    });
}

#[test]
fn a_lease_is_renewed_and_lost_without_its_server() {
    in_namespace("dhcp::a_lease_is_renewed_and_lost_without_its_server", || {
        let guest = Guest::unconfigured("web-2");
        let range = "--dhcp-range=10.77.0.50,10.77.0.60,255.255.255.0,2m";
        let server = Server::start(&[range]);
        guest.wait_for_event("Configured");
        let address = guest.stack.own_ipv4();
        assert!(address.is_some());
        // Half of the two minutes, and beyond them: renewed, the lease lasts.
        for _ in 0..2 {
            hal::time::advance(70_000_000_000);
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(guest.stack.own_ipv4(), address);
        }
        drop(server);
        for _ in 0..3 {
            hal::time::advance(61_000_000_000);
            std::thread::sleep(Duration::from_millis(100));
        }
        guest.wait_for_event("Unconfigured");
        assert_eq!(guest.stack.own_ipv4(), None);
        let _server = Server::start(&[range]);
        for _ in 0..100 {
            if guest.stack.own_ipv4().is_some() {
                return;
            }
            hal::time::advance(1_000_000_000);
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no new lease");
    });
}
