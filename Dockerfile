# The gate as an image: no root, no shell needed, nothing written, one process tree.
#
#   docker build -t gatekeeper .
#   docker run --read-only -p 8443:8443 -v ./gatekeeper.toml:/etc/gatekeeper/gatekeeper.toml:ro … gatekeeper
#
# Any base with Python 3.11 or later, venv and pip will do. The first stage, which compiles, needs gcc and Python's headers
# as well, and the same interpreter at the same path, because the environment made there points to it. With
#   --build-arg COMPILED=0
# the source runs as it is, with a sixth more CPU time, and any base will do for both. A private package index comes in by
#   --secret id=pip,src=pip.conf
ARG BUILD_IMAGE=python:3.12-bookworm
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BUILD_IMAGE} AS build
ARG COMPILED=1
WORKDIR /src
COPY pyproject.toml ./
# Everything is fetched and unpacked once, in a step that only a change of pyproject.toml repeats: what the gate needs, to
# where it will run, and what only builds it, to /build. What follows needs no network and installs none of that again.
#
# Byte code is compiled here, and not checked against its source: the running gate writes and compares nothing. A quarter of
# all bytes would be debugging symbols in the libraries of wheels. Where binutils is there, as it is with gcc, they are
# removed, and then the libraries are loaded once.
ENV PIP_NO_COMPILE=1 PIP_NO_CACHE_DIR=1 COMPILEALL="-m compileall -q -j 0 --invalidation-mode unchecked-hash"
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -c 'import sys, tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
hook = p["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["dependencies"] if sys.argv[1] == "1" else []; \
print(*p["project"]["dependencies"], sep="\n", file=open("/needed.txt", "w")); \
print(*p["build-system"]["requires"], *hook, sep="\n", file=open("/building.txt", "w"))' "$COMPILED" \
 && python3 -m venv --without-pip /opt/gatekeeper \
 && python3 -m pip --python /opt/gatekeeper/bin/python install --quiet --requirement /needed.txt \
 && python3 -m pip install --quiet --target /build --requirement /building.txt \
 && python3 $COMPILEALL /opt/gatekeeper/lib
COPY README.md LICENSE ./
COPY gatekeeper/ gatekeeper/
COPY releasing/urls.py releasing/compiled.py releasing/
RUN PYTHONPATH=/build HATCH_BUILD_HOOKS_ENABLE=$COMPILED /opt/gatekeeper/bin/python -m hatchling build -t wheel -d /wheel \
 && python3 -m pip --python /opt/gatekeeper/bin/python install --no-index --no-deps /wheel/*.whl \
 && if command -v strip; then find /opt/gatekeeper -name '*.so' -exec strip --strip-unneeded {} +; fi \
 && python3 $COMPILEALL /opt/gatekeeper/lib/python3*/site-packages/gatekeeper \
 && /opt/gatekeeper/bin/python -P -c 'import acme.client, aiohttp.web, gatekeeper.process.worker' \
 && /opt/gatekeeper/bin/gatekeeper --version | grep -q "$(test "$COMPILED" = 1 && echo '(compiled)' || echo '(pure)')"

FROM ${BASE_IMAGE}
ARG VERSION=0.2.0
LABEL org.opencontainers.image.title="gatekeeper" \
      org.opencontainers.image.description="A gate in front of an app: admits visitors with a valid client certificate and tells everyone else why not" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /opt/gatekeeper /opt/gatekeeper
# glibc turns each buffer above 128 KiB into an mmap and a munmap, and large bodies then cost up to three times as much.
# The gate tells its malloc so too, when it runs; here it holds from the first allocation on.
ENV PATH=/opt/gatekeeper/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_MMAP_THRESHOLD_=4194304 \
    MALLOC_TRIM_THRESHOLD_=4194304 \
    GATEKEEPER_CONFIG=/etc/gatekeeper/gatekeeper.toml
# A number, not a name: Kubernetes' runAsNonRoot can only judge a number.
USER 10001:10001
EXPOSE 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["gatekeeper", "healthcheck"]
ENTRYPOINT ["gatekeeper"]
CMD ["serve"]
