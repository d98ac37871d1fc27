"""The media type of a file by its name: the same on every machine, whatever /etc/mime.types says."""

import mimetypes
from posixpath import splitext

# Registered with IANA (iana.org/assignments/media-types), except those that begin with "x-". Some are missing in Python
# 3.11's mimetypes.
_LATER = {
    "application/atom+xml": [".atom"],
    "application/epub+zip": [".epub"],
    "application/gzip": [".gz", ".tgz"],
    "application/json": [".map"],
    "application/pkix-crl": [".crl"],
    "application/rss+xml": [".rss"],
    "application/toml": [".toml"],
    "application/vnd.android.package-archive": [".apk"],
    "application/vnd.debian.binary-package": [".deb"],
    "application/vnd.ms-fontobject": [".eot"],
    "application/x-apple-aspen-config": [".mobileconfig"],
    "application/x-7z-compressed": [".7z"],
    "application/x-brotli": [".br"],
    "application/x-bzip2": [".bz2"],
    "application/x-pem-file": [".pem"],
    "application/x-x509-ca-cert": [".cer", ".crt", ".der"],
    "application/x-xz": [".xz"],
    "application/yaml": [".yaml", ".yml"],
    "application/zstd": [".zst"],
    "audio/flac": [".flac"],
    "audio/mp4": [".m4a"],
    "audio/ogg": [".oga", ".ogg", ".opus"],
    "font/otf": [".otf"],
    "font/ttf": [".ttf"],
    "font/woff": [".woff"],
    "font/woff2": [".woff2"],
    "image/apng": [".apng"],
    "image/avif": [".avif"],
    "image/jxl": [".jxl"],
    "image/webp": [".webp"],
    "text/calendar": [".ics"],
    "text/javascript": [".js", ".mjs"],  # RFC 9239
    "text/markdown": [".md"],
    "video/matroska": [".mkv"],
    "video/mp4": [".m4v"],
}


_TYPES = mimetypes.MimeTypes().types_map[True] | {suffix: name for name, some in _LATER.items() for suffix in some}


def media_type(name: str) -> str:
    """The type of a file with this name, by its last suffix; application/octet-stream for an unknown one.

    app.tar.gz is application/gzip: its compression is not a Content-Encoding.
    """
    return _TYPES.get(splitext(name)[1].lower(), "application/octet-stream")
