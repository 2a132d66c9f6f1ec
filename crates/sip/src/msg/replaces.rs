//! The dialog that somebody wants replaced (RFC 3891 §6.1): the value of Replaces, as a header or within a Refer-To.
use super::uri::{Uri, unescape};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaces {
    pub call_id: String,
    /// The receiver's own tag.
    pub to_tag: String,
    /// The other side's.
    pub from_tag: String,
    /// Only as long as nobody has answered.
    pub early_only: bool,
}

impl Replaces {
    /// `call-id;to-tag=…;from-tag=…[;early-only]`, the parameters in any order. `None`: not that.
    pub fn parse(text: &str) -> Option<Replaces> {
        let (call_id, params) = text.trim().split_once(';')?;
        let param = |wanted: &str| {
            let parts = params.split(';').map(|p| p.split_once('=').unwrap_or((p, "")));
            parts.map(|(name, value)| (name.trim(), value.trim())).find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        let tag = |name: &str| param(name).map(|(_, tag)| tag.to_owned()).filter(|tag| !tag.is_empty());
        let call_id = call_id.trim();
        (!call_id.is_empty()).then_some(())?;
        Some(Replaces {
            call_id: call_id.to_owned(),
            to_tag: tag("to-tag")?,
            from_tag: tag("from-tag")?,
            early_only: param("early-only").is_some(),
        })
    }

    /// Of the URI in a Refer-To, whose headers are those of the INVITE that it asks for (RFC 3261 §19.1.1). `Some(None)`:
    /// it cannot be read.
    pub fn of_uri(uri: &Uri) -> Option<Option<Replaces>> {
        let headers = uri.headers.as_deref()?;
        let value = headers.split('&').find_map(|header| {
            let (name, value) = header.split_once('=')?;
            name.eq_ignore_ascii_case("replaces").then_some(value)
        })?;
        Some(Replaces::parse(&unescape(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_to_be_replaced_is_read_from_a_header_and_from_a_uri() {
        let it = |early_only| Replaces { call_id: "a@h".into(), to_tag: "x".into(), from_tag: "y".into(), early_only };
        assert_eq!(Replaces::parse("a@h;to-tag=x;from-tag=y"), Some(it(false)));
        assert_eq!(Replaces::parse(" a@h ; from-tag = y;early-only ; to-tag=x"), Some(it(true)));
        for bad in ["", "a@h", ";to-tag=x;from-tag=y", "a@h;to-tag=x", "a@h;to-tag=;from-tag=y"] {
            assert_eq!(Replaces::parse(bad), None, "{bad}");
        }
        let uri = |headers: &str| Uri::parse(&format!("sip:8002@ours.example{headers}")).unwrap();
        let of = |headers: &str| Replaces::of_uri(&uri(headers));
        assert_eq!(of(""), None);
        assert_eq!(of("?Subject=Replaces%3D"), None);
        assert_eq!(of("?Require=replaces&replaces=a%40h%3Bto-tag%3Dx%3Bfrom-tag%3Dy"), Some(Some(it(false))));
        assert_eq!(of("?Replaces=a%40h%3bto-tag%3dx"), Some(None));
    }
}
