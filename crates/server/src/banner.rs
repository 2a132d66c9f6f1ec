//! What a start prints: links to sign in, a SIP account, how to call. For people; scripts read `addresses.json`.
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// The account a softphone can use.
pub struct PhoneAccount {
    pub user: String,
    /// Known at the first start or from its file.
    pub password: Option<String>,
}

pub struct Banner<'a> {
    pub http: Option<SocketAddr>,
    pub https: Option<SocketAddr>,
    pub sip: SocketAddr,
    pub lan: Option<IpAddr>,
    /// Secret parts of one-time links: one for this machine, one for another.
    pub local_token: Option<&'a str>,
    pub lan_token: Option<&'a str>,
    pub phone: Option<PhoneAccount>,
    pub customer_path: Option<&'a str>,
}

impl Banner<'_> {
    pub fn print(&self) {
        let lan = self.lan.map(|ip| ip.to_string());
        let domain = if self.sip.ip().is_loopback() {
            "127.0.0.1".to_owned()
        } else {
            lan.clone().unwrap_or_else(|| "127.0.0.1".into())
        };
        println!();
        println!("  Cordboard is ready.  接线台已就绪。");
        println!();
        if let (Some(http), Some(token)) = (self.http, self.local_token) {
            println!("  Sign in on this machine (once)    http://localhost:{}/sign-in/link#token={token}", http.port());
        }
        let https = self.https.filter(|https| !https.ip().is_loopback());
        if let (Some(https), Some(token), Some(lan)) = (https, self.lan_token, &lan) {
            println!("  Sign in from another (once)       https://{lan}:{}/sign-in/link#token={token}", https.port());
        }
        if let (Some(http), Some(path)) = (self.http, self.customer_path) {
            println!("  Call as a customer                http://localhost:{}{path}", http.port());
        }
        println!();
        if let Some(phone) = &self.phone {
            let password = phone.password.as_deref().unwrap_or("(set in the console: Administration, Devices)");
            println!("  SIP phone: user {}  password {password}  domain {domain}:{}", phone.user, self.sip.port());
        }
        println!("  Call 1000 (Support), 2000 (menu), 3000 (echo), or press “Ring me” in the console.");
        println!("  From this machine without an account: sip:1000@127.0.0.1:{}", self.sip.port());
        println!();
    }
}

/// This machine's address towards its network, found without sending anything.
pub fn lan_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // TEST-NET-1 (RFC 5737): connecting a UDP socket only looks up the route.
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}
