//! Sockets, timers and threads that drive sip, media, switch and str0m; decides nothing.
