"""Image files of any format, as stored and as 8-bit RGB."""
