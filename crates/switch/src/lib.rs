//! Sans-IO call control: legs and bridges between the floor, SIP and media.
