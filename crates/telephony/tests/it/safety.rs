//! Media safety over real sockets: nobody but the peer is heard, hears, or costs a call its life.
