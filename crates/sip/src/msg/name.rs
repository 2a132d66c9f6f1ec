//! Methods and header names, with the compact forms of RFC 3261 §7.3.3.

use std::fmt;

macro_rules! header_names {
    ($($variant:ident $text:literal $($compact:literal)?,)*) => {
        /// A header name known to this crate.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Name {
            $($variant,)*
            /// Any other header; look it up by its text.
            Other,
        }

        impl Name {
            /// Recognises long and compact forms, without case.
            pub fn from_text(text: &str) -> Self {
                $(
                    if text.eq_ignore_ascii_case($text) $(|| text.eq_ignore_ascii_case($compact))? {
                        return Self::$variant;
                    }
                )*
                Self::Other
            }

            /// The long form as written on the wire.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other => "",
                }
            }
        }
    };
}

header_names! {
    Via "Via" "v",
    From "From" "f",
    To "To" "t",
    CallId "Call-ID" "i",
    CSeq "CSeq",
    MaxForwards "Max-Forwards",
    Contact "Contact" "m",
    ContentLength "Content-Length" "l",
    ContentType "Content-Type" "c",
    ContentEncoding "Content-Encoding" "e",
    ContentDisposition "Content-Disposition",
    Route "Route",
    RecordRoute "Record-Route",
    Path "Path",
    Require "Require",
    ProxyRequire "Proxy-Require",
    Supported "Supported" "k",
    Unsupported "Unsupported",
    Allow "Allow",
    Accept "Accept",
    Expires "Expires",
    FlowTimer "Flow-Timer",
    MinExpires "Min-Expires",
    Authorization "Authorization",
    ProxyAuthorization "Proxy-Authorization",
    WwwAuthenticate "WWW-Authenticate",
    ProxyAuthenticate "Proxy-Authenticate",
    UserAgent "User-Agent",
    Server "Server",
    Subject "Subject" "s",
    Timestamp "Timestamp",
    Reason "Reason",
    RetryAfter "Retry-After",
    Date "Date",
    Warning "Warning",
    PAssertedIdentity "P-Asserted-Identity",
    PCalledPartyId "P-Called-Party-ID",
    RemotePartyId "Remote-Party-ID",
    Diversion "Diversion",
    HistoryInfo "History-Info",
    ReferTo "Refer-To" "r",
    Event "Event" "o",
    SubscriptionState "Subscription-State",
    RSeq "RSeq",
    RAck "RAck",
    SessionExpires "Session-Expires" "x",
    MinSe "Min-SE",
    Replaces "Replaces",
    Privacy "Privacy",
    Identity "Identity" "y",
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

macro_rules! methods {
    ($($variant:ident $text:literal,)*) => {
        /// A request method. Methods compare with case (RFC 3261 §7.1).
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Method {
            $($variant,)*
            /// A method this crate does not know.
            Other(String),
        }

        impl Method {
            pub fn from_text(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }

            pub fn text(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }
    };
}

methods! {
    Invite "INVITE",
    Ack "ACK",
    Bye "BYE",
    Cancel "CANCEL",
    Register "REGISTER",
    Options "OPTIONS",
    Info "INFO",
    Prack "PRACK",
    Update "UPDATE",
    Refer "REFER",
    Subscribe "SUBSCRIBE",
    Notify "NOTIFY",
    Message "MESSAGE",
    Publish "PUBLISH",
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
