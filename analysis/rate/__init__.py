"""Rate and distortion: theory, codecs, sides."""
