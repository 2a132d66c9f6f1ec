//! Sans-IO SIP: messages, transactions, dialogs, registrar, digest, SDP.
