//! (contract written by the floor's author)
