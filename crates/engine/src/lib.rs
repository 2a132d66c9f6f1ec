//! Owns floors: feeds inputs, journals events, carries out effects.
