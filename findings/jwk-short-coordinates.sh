#!/bin/sh
# Authlib 1.9.10 (authlib.jose) and PyJWT 2.9.0 write the coordinates of an EC key without their leading zero bytes, so that
# one P-256 key in 128 becomes a JWK that other libraries, and PyJWT 2.9.0 itself, refuse.
#
# RFC 7518, 6.2.1.2 and 6.2.1.3, wants 32 bytes for each coordinate of P-256. The private key 379 has an x that begins with
# a zero byte, and 43 a y. PyJWT leaves such a key out of a PyJWKSet; if it is the only one, it asks whether cryptography
# is installed. A thumbprint (RFC 7638) over the short text differs from the one of all other libraries, so that a "kid"
# made of it names another key. Tests with a new key in each run fail once in 128.
#
# Output seen (bytes of the coordinate; what PyJWT's PyJWKSet makes of a set with that key alone, then of one good key more):
#   pyjwt 2.9.0, x of 379: 31 bytes, read by pyjwt 2.9.0: PyJWKSetError, then 1 of 2 keys
#   pyjwt 2.9.0, y of 43: 31 bytes, read by pyjwt 2.9.0: PyJWKSetError, then 1 of 2 keys
#   authlib 1.9.10, x of 379: 31 bytes, read by pyjwt 2.15.1: PyJWKSetError, then 1 of 2 keys
#   authlib 1.9.10, y of 43: 31 bytes, read by pyjwt 2.15.1: PyJWKSetError, then 1 of 2 keys
#   pyjwt 2.15.1, x of 379: 32 bytes, read by pyjwt 2.15.1: 1 key, then 2 of 2 keys
#   pyjwt 2.15.1, y of 43: 32 bytes, read by pyjwt 2.15.1: 1 key, then 2 of 2 keys
#
# Source: jwt/algorithms.py of 2.9.0, ECAlgorithm.to_jwk() (2.10.0 passes the length); authlib/jose/rfc7518/ec_key.py, which
# encodes integers; joserfc, its successor, is not affected.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for name in old new; do python3 -m venv "$name"; done
old/bin/python -m pip install --quiet 'pyjwt[crypto]==2.9.0' cryptography==47.0.0 2>/dev/null
new/bin/python -m pip install --quiet 'pyjwt[crypto]==2.15.1' cryptography==50.0.2 authlib==1.9.10 2>/dev/null
cat >write.py <<'PYTHON'
import base64
import json
import sys
import warnings

from cryptography.hazmat.primitives.asymmetric import ec

warnings.showwarning = lambda *_: None  # that authlib.jose is deprecated
writer, scalar, member = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def written(scalar):
    key = ec.derive_private_key(scalar, ec.SECP256R1()).public_key()
    if writer == "authlib":
        from authlib.jose import ECKey

        return ECKey.import_key(key).as_dict()
    from jwt.algorithms import ECAlgorithm

    return ECAlgorithm.to_jwk(key, as_dict=True)


def read(*keys):
    import jwt

    try:
        return len(jwt.PyJWKSet.from_dict({"keys": [{**key, "alg": "ES256"} for key in keys]}).keys)
    except jwt.PyJWKSetError as error:
        return type(error).__name__


import jwt

short, good = written(scalar), written(1)
alone = read(short)
alone = f"{alone} key" if alone == 1 else alone
size = len(base64.urlsafe_b64decode(short[member] + "=="))
version = jwt.__version__
if writer == "authlib":
    import authlib

    version = authlib.__version__
print(
    f"{writer} {version}, {member} of {scalar}: {size} bytes, "
    f"read by pyjwt {jwt.__version__}: {alone}, then {read(short, good)} of 2 keys"
)
PYTHON
for which in 'old pyjwt' 'new authlib' 'new pyjwt'; do
  for key in '379 x' '43 y'; do
    "${which% *}/bin/python" write.py "${which#* }" $key
  done
done >seen
cat seen
cat >expected <<'TEXT'
pyjwt 2.9.0, x of 379: 31 bytes, read by pyjwt 2.9.0: PyJWKSetError, then 1 of 2 keys
pyjwt 2.9.0, y of 43: 31 bytes, read by pyjwt 2.9.0: PyJWKSetError, then 1 of 2 keys
authlib 1.9.10, x of 379: 31 bytes, read by pyjwt 2.15.1: PyJWKSetError, then 1 of 2 keys
authlib 1.9.10, y of 43: 31 bytes, read by pyjwt 2.15.1: PyJWKSetError, then 1 of 2 keys
pyjwt 2.15.1, x of 379: 32 bytes, read by pyjwt 2.15.1: 1 key, then 2 of 2 keys
pyjwt 2.15.1, y of 43: 32 bytes, read by pyjwt 2.15.1: 1 key, then 2 of 2 keys
TEXT
diff expected seen || exit 1
