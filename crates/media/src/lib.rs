//! Sans-IO media: RTP, jitter, codecs, DTMF, tones, bridge matrix, recorder.
